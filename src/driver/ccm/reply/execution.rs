//! Answers of commands that do something: what became of the pair that they were about.

use super::ReplyError;
use crate::driver::ccm::names::{PairName, VolumeName};
use crate::driver::ccm::refusal;
use crate::driver::ccm::xml::{ObjectResult, Response};
use crate::driver::transport::argv::Argv;
use crate::model::copy::ArrayRefusal;
use crate::model::identity::Olu;
use crate::model::untrusted::Untrusted;

/// What the answer says of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It succeeded; perhaps with a warning.
    Succeeded { warning: Option<Untrusted> },
    /// It did not happen.
    Refused(ArrayRefusal),
    /// The answer does not fit the command or itself, so it may have happened.
    Unclear(String),
}

/// The answer of a command about one pair.
///
/// `exit` is the program's exit status, which must agree with the answer: 0 for success, more for failure.
pub fn of_pair(argv: &Argv, exit: i32, stdout: &[u8], pair: &PairName) -> Result<Said, ReplyError> {
    let response = super::response(argv, stdout)?;
    if (exit == 0) != (response.code == 0) {
        return Ok(Said::Unclear(format!("`{argv}` ended with {exit} and answered with code {}", response.code)));
    }
    let Some(results) = &response.results else { return Ok(without_results(argv, &response)) };
    let mut about = results.iter().filter(|result| is_about(&result.object, pair));
    match (about.next(), about.next()) {
        (Some(result), None) => Ok(of_result(argv, &response, result)),
        (None, _) => Ok(Said::Unclear(format!("the answer of `{argv}` says nothing of the pair"))),
        (Some(_), Some(_)) => Ok(Said::Unclear(format!("the answer of `{argv}` has the pair twice"))),
    }
}

/// The answer of a command that has no per-pair results: `acgroup`, `acpair`.
pub fn whole(argv: &Argv, exit: i32, stdout: &[u8]) -> Result<Said, ReplyError> {
    let response = super::response(argv, stdout)?;
    if (exit == 0) != (response.code == 0) {
        return Ok(Said::Unclear(format!("`{argv}` ended with {exit} and answered with code {}", response.code)));
    }
    if response.code == 0 {
        return Ok(Said::Succeeded { warning: None });
    }
    Ok(Said::Refused(refusal::of_message(&response.message)))
}

fn without_results(argv: &Argv, response: &Response) -> Said {
    if response.code == 0 {
        return Said::Unclear(format!("`{argv}` answered success without a result for the pair"));
    }
    Said::Refused(refusal::of_message(&response.message))
}

fn of_result(argv: &Argv, response: &Response, result: &ObjectResult) -> Said {
    if result.succeeded && response.code != 0 && response.results.as_ref().is_some_and(|all| all.len() == 1) {
        return Said::Unclear(format!("`{argv}` answered code {} and success for its only pair", response.code));
    }
    if result.succeeded {
        let warning = (!result.message.trim().is_empty()).then(|| Untrusted::new(result.message.trim()));
        return Said::Succeeded { warning };
    }
    if response.code == 0 {
        return Said::Unclear(format!("`{argv}` answered code 0 and failure for the pair"));
    }
    Said::Refused(refusal::of_message(&result.message))
}

/// Whether `ET001/0x0011:ET001/0x21` is that pair: names as they are, numbers as numbers.
fn is_about(object: &str, pair: &PairName) -> bool {
    let volume = |text: &str| -> Option<(String, Olu)> {
        let (array, olu) = text.rsplit_once('/')?;
        let olu = super::number(olu).ok()??;
        Some((array.to_owned(), Olu(u32::try_from(olu).ok()?)))
    };
    let Some((source, target)) = object.split_once(':') else { return false };
    let wanted = |name: &VolumeName| (name.array.as_str().to_owned(), name.olu);
    volume(source) == Some(wanted(&pair.source)) && volume(target) == Some(wanted(&pair.target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::command;
    use crate::driver::ccm::names::{GroupName, GroupType, VolumeName};
    use crate::model::copy::ErrorClass;

    const PARTIAL: &str = include_str!("../../../../tests/rules/ccm/acec-start-partial.xml");

    fn pair(source: u32, target: u32) -> PairName {
        let volume = |olu| VolumeName { array: "KYOTO1".parse().unwrap(), olu: Olu(olu) };
        PairName { source: volume(source), target: volume(target) }
    }

    fn said(exit: i32, text: &str, pair: &PairName) -> Said {
        let kyoto = "KYOTO1".parse().unwrap();
        let argv = command::start(&GroupName::of(GroupType::Ec, &kyoto, &kyoto), GroupType::Ec, pair, None);
        of_pair(&argv, exit, text.as_bytes(), pair).unwrap()
    }

    #[test]
    fn code_six_gives_each_pair_its_own_result() {
        assert_eq!(said(6, PARTIAL, &pair(0x11, 0x21)), Said::Succeeded { warning: None });
        let Said::Refused(refusal) = said(6, PARTIAL, &pair(0x12, 0x22)) else { panic!("not refused") };
        assert_eq!(refusal.code, "ccm5004");
        assert!(matches!(said(6, PARTIAL, &pair(0x13, 0x23)), Said::Unclear(_)), "a pair that it does not mention");
        let padded = PARTIAL.replace("KYOTO1/0x11:", "KYOTO1/0x0011:");
        assert_eq!(said(6, &padded, &pair(0x11, 0x21)), Said::Succeeded { warning: None });
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_neither_success_nor_refusal() {
        assert!(matches!(said(0, PARTIAL, &pair(0x11, 0x21)), Said::Unclear(_)), "exit 0 with code 6");
        let zero = PARTIAL.replace("<ReturnCode>6<", "<ReturnCode>0<");
        assert!(matches!(said(0, &zero, &pair(0x12, 0x22)), Said::Unclear(_)), "code 0 and a failure");
        let silent = include_str!("../../../../tests/rules/ccm/successful.xml");
        assert!(matches!(said(0, silent, &pair(0x11, 0x21)), Said::Unclear(_)), "success of nothing");
    }

    #[test]
    fn a_usage_error_is_a_refusal_and_a_warning_is_a_success() {
        let usage = include_str!("../../../../tests/rules/ccm/usage-error.xml");
        let Said::Refused(refusal) = said(1, usage, &pair(0x11, 0x21)) else { panic!("not refused") };
        assert_eq!((refusal.class, refusal.code.as_str()), (ErrorClass::Parameter, "ccm1001"));
        let warned = include_str!("../../../../tests/rules/ccm/acec-reverse-warning.xml");
        let Said::Succeeded { warning: Some(warning) } = said(0, warned, &pair(0x11, 0x21)) else {
            panic!("no warning")
        };
        assert!(warning.raw().contains("ccm7001"));
    }
}
