//! The rules of the embedded arrays as a table: rule, source, code, and whether a document says so or we inferred it.
//!
//! A fact that was learnt on a real array changes its row here, and the rule beside it in [`super::rules`]. Each code is issued
//! by a test; `docs/array-rules.md` has the same table.

use super::codes::ArrayCode;
use serde::{Deserialize, Serialize};

/// Which rules an array goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleSet {
    /// As unkind as the documents are. What a new array has.
    Documented,
    /// Without the rows that are marked so: what earlier releases allowed, and what their arrays keep.
    #[default]
    Lenient,
}

/// What a row rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A document says that the array does so; none of it was checked on a real one.
    Documented,
    /// Documents give the rule, the number of the answer is ours, or the other way round.
    Inferred,
}

/// One rule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    pub rule: &'static str,
    /// Where it is documented.
    pub source: &'static str,
    #[serde(serialize_with = "number")]
    pub code: Option<ArrayCode>,
    pub basis: Basis,
    /// A lenient array does not keep it.
    pub documented_only: bool,
    /// Only a lenient array keeps it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lenient_only: bool,
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn number<S: serde::Serializer>(code: &Option<ArrayCode>, to: S) -> Result<S::Ok, S::Error> {
    code.map(|code| code.row().0).serialize(to)
}

const COMMANDS: &str = "command reference";
const CLI: &str = "CLI error codes";
const REST: &str = "REST API";
const GUIDE: &str = "design guide";

const fn row(rule: &'static str, source: &'static str, code: ArrayCode, basis: Basis, documented_only: bool) -> Rule {
    Rule { rule, source, code: Some(code), basis, documented_only, lenient_only: false }
}

const fn lenient(rule: &'static str, code: ArrayCode) -> Rule {
    let (source, basis) = ("ecdeck", Basis::Inferred);
    Rule { rule, source, code: Some(code), basis, documented_only: false, lenient_only: true }
}

const fn silent(rule: &'static str, source: &'static str, documented_only: bool) -> Rule {
    Rule { rule, source, code: None, basis: Basis::Documented, documented_only, lenient_only: false }
}

/// All rules, in the order of a session's life.
pub const RULES: &[Rule] = &[
    row("a volume of a copy exists", CLI, ArrayCode::NoSuchVolume, Basis::Inferred, false),
    row(
        "the image of a volume is the one that is registered",
        "ecdeck",
        ArrayCode::VolumeUnfit,
        Basis::Inferred,
        false,
    ),
    row("the target is not smaller than the source", CLI, ArrayCode::SourceLarger, Basis::Documented, false),
    row("a target belongs to one session", CLI, ArrayCode::TargetOverlaps, Basis::Documented, false),
    row("a copy that is there is not started again: already so", CLI, ArrayCode::AlreadySet, Basis::Inferred, true),
    row("a copy that is in error is not started again", CLI, ArrayCode::ErrorSuspended, Basis::Inferred, true),
    row("a split mode is chosen for synchronous transfer only", REST, ArrayCode::BadParameter, Basis::Inferred, true),
    row(
        "consistency mode needs the REC buffer of its path and direction",
        CLI,
        ArrayCode::BufferInactive,
        Basis::Documented,
        false,
    ),
    row("a REC buffer that is being changed is waited for", CLI, ArrayCode::BufferChanging, Basis::Documented, false),
    row(
        "a resume needs the REC buffer in the direction of the copy",
        CLI,
        ArrayCode::BufferWrongWay,
        Basis::Documented,
        false,
    ),
    row(
        "a reverse needs the REC buffer in the other direction",
        CLI,
        ArrayCode::BufferWrongWayReversed,
        Basis::Documented,
        true,
    ),
    silent("a new copy may be reserved, a one-point copy readying, for a while before it copies", CLI, false),
    silent("a copy may go into the source of a live one, or begin at its target: two hops", GUIDE, true),
    row("a cascade has two hops at most", CLI, ArrayCode::TooManyHops, Basis::Inferred, true),
    row("a cascade does not lead back to its beginning", CLI, ArrayCode::CascadeCircle, Basis::Inferred, true),
    silent("the second copy of a cascade is not equivalent before the first one is", GUIDE, true),
    row("until then it is not suspended, by force neither", GUIDE, ArrayCode::WrongState, Basis::Inferred, true),
    row(
        "an OPC does not begin at the target of an OPC that still copies",
        CLI,
        ArrayCode::CopyAtWork,
        Basis::Inferred,
        true,
    ),
    lenient("no EC or REC begins at the target of a live copy, or goes into the source of one", ArrayCode::Cascade),
    lenient("no OPC does either", ArrayCode::SourceOverlaps),
    row("a source has 8 sessions at most", GUIDE, ArrayCode::SourceLimit, Basis::Documented, false),
    row("a protected volume is no target of a new copy", CLI, ArrayCode::Protected, Basis::Inferred, false),
    row("a copy table is set", CLI, ArrayCode::TableNotSet, Basis::Documented, false),
    row("the copy table has room, at start and at resume", CLI, ArrayCode::TableFull, Basis::Documented, false),
    silent("a copy table that is made smaller lets the newest copies fail", GUIDE, false),
    row("both boxes of a remote copy have one resolution", CLI, ArrayCode::ResolutionDiffers, Basis::Documented, false),
    silent("a difference is counted in units of the resolution, rounded up", CLI, false),
    row("a box has no more sessions than it may have", CLI, ArrayCode::BoxLimit, Basis::Inferred, false),
    row(
        "a source has one live copy in consistency mode to another box",
        GUIDE,
        ArrayCode::SourceLimit,
        Basis::Inferred,
        true,
    ),
    row("two boxes are connected", CLI, ArrayCode::UnknownBox, Basis::Documented, false),
    row("start and resume need the path", CLI, ArrayCode::PathError, Basis::Documented, false),
    row("an OPC is not started again while it copies", CLI, ArrayCode::CopyAtWork, Basis::Documented, false),
    row("an un-forced suspend needs an equivalent session", CLI, ArrayCode::NeedsForce, Basis::Documented, false),
    silent("a REC may be started in through mode", COMMANDS, true),
    silent("a suspended REC in stack or consistency mode may be shown in the mode in force, through", GUIDE, false),
    row("in through mode nothing is suspended, by force neither", REST, ArrayCode::WrongState, Basis::Inferred, true),
    row("in stack mode only an equivalent session is suspended", REST, ArrayCode::WrongState, Basis::Inferred, true),
    row(
        "a late transfer buffer lets no remote copy be suspended",
        CLI,
        ArrayCode::BufferLate,
        Basis::Documented,
        false,
    ),
    silent("a REC buffer that cannot keep up halts its copies in consistency mode", GUIDE, false),
    row("a resource may be locked: to be repeated", CLI, ArrayCode::Locked, Basis::Documented, false),
    row("a command may fail so that repeating it helps", CLI, ArrayCode::Retry, Basis::Documented, false),
    row("a source with a bad sector may be refused at once", CLI, ArrayCode::BadSource, Basis::Documented, false),
    row("the licence to copy may have ended: no copy begins", CLI, ArrayCode::NoLicence, Basis::Documented, false),
    row("volumes of two sizes are not reversed", CLI, ArrayCode::ReverseFailed, Basis::Documented, false),
    silent("the other box of a remote copy may hear of a change later", REST, false),
    silent("the suspend of a remote copy may continue after its answer", REST, false),
    row("until it is done, no other suspend begins", CLI, ArrayCode::ConcurrentSuspend, Basis::Inferred, false),
    row("a session in error is not suspended", CLI, ArrayCode::ErrorSuspended, Basis::Documented, false),
    row("a concurrent suspend takes all sessions or none", CLI, ArrayCode::NotCertified, Basis::Documented, false),
    row("a concurrent suspend is of sources in one box", CLI, ArrayCode::ForeignSource, Basis::Documented, true),
    row(
        "a session that failed is not resumed while its cause is there",
        REST,
        ArrayCode::ErrorSuspended,
        Basis::Inferred,
        true,
    ),
    row("a copying or halted session is stopped by force only", CLI, ArrayCode::NeedsForce, Basis::Documented, false),
    row(
        "a suspended or failed session that is not equivalent, too",
        REST,
        ArrayCode::NeedsForce,
        Basis::Documented,
        true,
    ),
    row("a REC in consistency mode is stopped by force only", REST, ArrayCode::NeedsForce, Basis::Documented, true),
    row(
        "a session may remain for a while after its stop: busy until then",
        CLI,
        ArrayCode::Busy,
        Basis::Inferred,
        false,
    ),
    silent("an OPC is stopped without force, copying or not", REST, true),
    row("an un-forced stop over a dead path does nothing", REST, ArrayCode::PathError, Basis::Inferred, true),
    row("a forced stop over a dead path leaves the far half", CLI, ArrayCode::RemoteLeftOver, Basis::Documented, false),
    silent("a far half hears of nothing while the path is down", GUIDE, true),
    row("reverse and change of mode need the path", REST, ArrayCode::PathError, Basis::Inferred, true),
    row("a session is reversed while it is suspended", CLI, ArrayCode::WrongState, Basis::Documented, false),
    silent("one that was suspended by force, before it was equivalent, is reversed as well", REST, true),
    silent("a reversed session counts at the volume that it copies from", GUIDE, false),
    row("modes are changed while a REC is suspended", REST, ArrayCode::WrongState, Basis::Documented, false),
    silent("a change from synchronous to another transfer sets split to manual", REST, true),
    silent("manual split stops host writes only where they are mirrored: synchronous and equivalent", GUIDE, true),
    silent("a source whose far half is gone halts, and is not resumed", GUIDE, true),
    silent("a volume that has a copy is not expanded", CLI, false),
    silent("a volume that is being copied to is not read by hosts", GUIDE, true),
    silent("a half that is left over holds its volume against hosts", GUIDE, true),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn a_rule_stands_in_the_table_once() {
        let mut rules: Vec<_> = RULES.iter().map(|row| row.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        assert_eq!(rules.len(), RULES.len());
    }

    /// The table as the documentation has it.
    fn page() -> String {
        let mut page =
            String::from("| rule | code | basis | source | lenient arrays |\n| --- | --- | --- | --- | --- |\n");
        for row in RULES {
            let code = row.code.map_or("none", |code| code.row().0);
            let basis = if row.basis == Basis::Documented { "documented" } else { "inferred" };
            let lenient = match (row.documented_only, row.lenient_only) {
                (true, _) => "do not keep it",
                (false, true) => "only they keep it",
                (false, false) => "keep it",
            };
            writeln!(page, "| {} | {code} | {basis} | {} | {lenient} |", row.rule, row.source).unwrap();
        }
        page
    }

    #[test]
    fn the_documentation_has_this_table() {
        let page = page();
        let document = include_str!("../../../docs/array-rules.md");
        assert!(document.contains(&page), "docs/array-rules.md differs from:\n{page}");
    }

    #[test]
    fn every_code_of_the_table_is_in_a_test() {
        let tests = [
            include_str!("rules_tests.rs"),
            include_str!("settings_tests.rs"),
            include_str!("cascades_tests.rs"),
            include_str!("../../../tests/site/arrays/images.rs"),
        ];
        for code in RULES.iter().filter_map(|row| row.code) {
            let quoted = format!("\"{}\"", code.row().0);
            assert!(tests.iter().any(|text| text.contains(&quoted)), "no test issues {quoted}");
        }
    }
}
