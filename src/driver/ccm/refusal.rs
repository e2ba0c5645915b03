//! CCM's messages as refusals: `ccmNNNN` and, where the text carries one, the array's own code.

use crate::model::codes::Code;
use crate::model::copy::{ArrayRefusal, ErrorClass, Outcome};
use crate::model::untrusted::Untrusted;

/// The code under which this driver refuses by itself, before anything is sent.
const CODE: &str = "driver";
/// CCM's code for an argument that it does not know. It answers with its usage and does nothing.
pub(super) const UNKNOWN_ARGUMENT: &str = "ccm1001";

/// A refusal of this driver's own.
pub(super) fn refusal(class: ErrorClass, text: impl Into<String>) -> ArrayRefusal {
    ArrayRefusal { class, code: CODE.to_owned(), text: Untrusted::new(text) }
}

/// The same as an outcome.
pub(super) fn refused(class: ErrorClass, text: impl Into<String>) -> Outcome {
    Outcome::Refused(refusal(class, text))
}

/// Reads `ccm4014 The present state forbids it.` A message without a code is kept under the code `ccm`.
pub fn of_message(message: &str) -> ArrayRefusal {
    let message = message.trim();
    let code = message.split(|c: char| !c.is_ascii_alphanumeric()).find(|word| is_ccm_code(word));
    let class = match code {
        Some("ccm5004") => array_class(message).unwrap_or(ErrorClass::Internal),
        Some(code) => ccm_class(code, message),
        None => ErrorClass::Internal,
    };
    let text = if message.is_empty() { "CCM gave no message" } else { message };
    ArrayRefusal { class, code: code.unwrap_or("ccm").to_owned(), text: Untrusted::new(text) }
}

fn is_ccm_code(word: &str) -> bool {
    word.strip_prefix("ccm").is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The codes that the manuals show. Any other is `Internal`: its text is shown as it is.
fn ccm_class(code: &str, message: &str) -> ErrorClass {
    match code {
        "ccm1001" => ErrorClass::Parameter,
        "ccm4012" => ErrorClass::NotFound,
        "ccm4013" | "ccm4014" => ErrorClass::InvalidState,
        // Another CCM command holds the lock file of CCM's tables.
        "ccm8003" if message.contains(".lck") => ErrorClass::Busy,
        "ccm8003" => ErrorClass::Config,
        _ => ErrorClass::Internal,
    }
}

/// The class of an array's code (`E5323`) inside a text. That ccm5004 carries such a code is inferred; without one, and
/// for codes in no table here, there is no class.
fn array_class(text: &str) -> Option<ErrorClass> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(|word| {
        let digits = word.strip_prefix('E').filter(|digits| digits.len() == 4)?;
        class_of_array_code(u16::from_str_radix(digits, 16).ok()?)
    })
}

/// Classes of the array's Advanced Copy codes, and of the general ones that a copy command meets.
pub fn class_of_array_code(code: u16) -> Option<ErrorClass> {
    Some(match code {
        0x0001..=0x0005
        | 0x0008
        | 0x0019
        | 0x5302..=0x5304
        | 0x5306..=0x5308
        | 0x5310
        | 0x5311
        | 0x5357..=0x5359
        | 0x5370
        | 0x5371
        | 0x8100..=0x8111 => ErrorClass::Parameter,
        0x0020 | 0x0021 | 0x0143 | 0x5361 | 0x5390 | 0x5395 => ErrorClass::Internal,
        0x0030 | 0x0033 | 0x0118 | 0x5301 | 0x5369 | 0x5379 | 0x5394 | 0x5396 | 0x9000 => ErrorClass::Unsupported,
        0x0042 | 0x5000..=0x5003 => ErrorClass::Auth,
        0x0060
        | 0x0061
        | 0x0070
        | 0x0072
        | 0x0073
        | 0x0150..=0x0198
        | 0x5322
        | 0x5327
        | 0x5328
        | 0x5340
        | 0x5350
        | 0x5352
        | 0x5355
        | 0x5360
        | 0x5387
        | 0x5389
        | 0x9306..=0x9339
        | 0x9400..=0x9403 => ErrorClass::Busy,
        0x0080 | 0x0081 | 0x0100 | 0x0101 | 0x5316 | 0x5318 | 0x5331 | 0x5333..=0x5335 | 0x5374 => ErrorClass::Limit,
        0x0110 | 0x0111 | 0x5385 => ErrorClass::NotFound,
        0x0120 | 0x0131 | 0x0132 | 0x5330 | 0x5337 | 0x5342..=0x5345 | 0x5380..=0x5383 | 0x5400 | 0x5401 => {
            ErrorClass::AlreadyDone
        }
        0x5200 | 0x5208 | 0x5213 | 0x5332 | 0x5384 | 0x9004 | 0x9008 => ErrorClass::NotLicensed,
        0x5300 | 0x5324 | 0x5353 | 0x5378 | 0xB900..=0xB905 => ErrorClass::PathDown,
        0x5305 => ErrorClass::MediaError,
        0x5309 | 0x5319 => ErrorClass::ErrorState,
        0x5313..=0x5315 | 0x5336 | 0x5338 | 0x5339 | 0x5366 | 0x5372 | 0x5375 => ErrorClass::Overlap,
        0x5323 => ErrorClass::NeedsForce,
        0x5346..=0x5349 | 0x5351 | 0x5356 | 0x5376 | 0x5388 | 0x5402 => ErrorClass::Config,
        0x5354 | 0x5386 => ErrorClass::PartialDelete,
        0x5391 | 0x5393 => ErrorClass::Consistency,
        0x5201..=0x5206 | 0x5312 | 0x5317 | 0x5320 | 0x5321 | 0x5326 | 0x5329 | 0x5373 | 0x5392 => {
            ErrorClass::InvalidState
        }
        _ => return None,
    })
}

/// CCM's own message for the case of a refusal code, where one is documented: no session, contradicts the phase, forbidden in
/// this state.
pub fn message_ids() -> Vec<(Code, String)> {
    let documented = [
        (Code::NO_SESSION, "ccm4012"),
        (Code::NOTHING_TO_RESUME, "ccm4012"),
        (Code::ALREADY_SYNCHRONIZING, "ccm4013"),
        (Code::NOT_EQUIVALENT, "ccm4014"),
        (Code::NOT_SUSPENDABLE, "ccm4014"),
        (Code::ERROR_SUSPENDED, "ccm4014"),
    ];
    documented.map(|(code, id)| (code, id.to_owned())).to_vec()
}

/// CCM's commands for what ecdeck has no verb for.
pub fn tool_commands() -> Vec<(Code, String)> {
    [(Code::REVERSED, "acec reverse"), (Code::NO_SUSPEND_IN_THIS_MODE, "acec change")]
        .map(|(code, command)| (code, command.to_owned()))
        .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_become_classes_and_keep_their_text() {
        for (message, code, class) in [
            ("ccm1001 An invalid argument was specified.", "ccm1001", ErrorClass::Parameter),
            ("ccm4012 There is no session.", "ccm4012", ErrorClass::NotFound),
            ("ccm4014 The state forbids it.", "ccm4014", ErrorClass::InvalidState),
            ("ccm8003 Could not open the file. file=/x/eternus.xml.lck", "ccm8003", ErrorClass::Busy),
            (
                "ccm5004 Operation failed. function=STXCopyEC.START, message=invalid BoxID.",
                "ccm5004",
                ErrorClass::Internal,
            ),
            ("ccm5004 Operation failed. function=STXCopyEC.SUSPEND, message=E5323.", "ccm5004", ErrorClass::NeedsForce),
            (
                "ccm5004 Operation failed. function=STXCopyEC.STOP, message=E5354 path",
                "ccm5004",
                ErrorClass::PartialDelete,
            ),
            ("ccm9999 Something new.", "ccm9999", ErrorClass::Internal),
            ("nothing with a number", "ccm", ErrorClass::Internal),
            ("", "ccm", ErrorClass::Internal),
        ] {
            let refusal = of_message(message);
            assert_eq!((refusal.code.as_str(), refusal.class), (code, class), "{message}");
            assert!(message.is_empty() || refusal.text.raw() == message);
        }
    }
}
