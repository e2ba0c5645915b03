//! The stable codes of refusals, errors and warnings: one table, with text, why and what to do.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `ecd-1301`: the number is for ever, the texts may get better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(u16);

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    pub code: Code,
    /// What is the case, in half a sentence.
    pub text: &'static str,
    /// Why that is refused, or matters.
    pub why: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl Code {
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The last code that a sentence names, as `(ecd-1904)`.
    pub fn named_in(text: &str) -> Option<Self> {
        let named = text.rmatch_indices("ecd-").find_map(|(at, _)| text.get(at..at + 8)?.parse().ok());
        named.filter(|code: &Self| code.explain().is_some())
    }

    /// The row of the table; every code that the program makes has one.
    pub fn explain(self) -> Option<&'static Explanation> {
        TABLE.iter().find(|row| row.code == self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ecd-{:04}", self.0)
    }
}

impl FromStr for Code {
    type Err = String;

    /// Takes `ecd-1301` and `1301`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("ecd-").unwrap_or(text);
        let number = digits.parse().map_err(|_| format!("{text:?} is not a code: write it as ecd-1301"))?;
        let code = Self(number);
        code.explain().map(|_| code).ok_or_else(|| format!("there is no code ecd-{number:04}"))
    }
}

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("ecd-").and_then(|digits| digits.parse().ok()).map(Self).ok_or(text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> Self {
        code.to_string()
    }
}

macro_rules! codes {
    ($($number:literal $name:ident: $text:literal, $why:literal, $remedy:literal;)*) => {
        impl Code {
            $(#[doc = $text] pub const $name: Self = Self($number);)*
        }

        /// All codes, in order.
        pub static TABLE: &[Explanation] = &[
            $(Explanation { code: Code::$name, text: $text, why: $why, remedy: $remedy },)*
        ];
    };
}

codes! {
    1001 NOT_AUTHORISED: "you may not do this",
        "The verb needs a role that your user does not have, or the console is read-only.",
        "Ask an administrator of the site, or leave --read-only away.";
    1002 PLAN_CHANGED: "the plan has changed",
        "Between what you agreed to and the act the array or the catalogue changed, so another plan would run. Nothing ran.",
        "Read the new plan and agree to it.";
    1003 NOT_AGREED: "nobody agreed to the plan",
        "A verb that changes something shows its plan first and runs only what was agreed to.",
        "Answer the question, or give --yes; what destroys also wants --confirm NAME.";
    1004 CONFIRMATION_MISMATCH: "the confirmation names something else",
        "What destroys data wants the exact name of what is overwritten or given up.",
        "Give --confirm with the name that the plan prints.";
    1101 UNKNOWN_VOLUME: "no such volume",
        "The name is not registered here, and no array reports a volume of that identity.",
        "`ecdeck volume list` shows the registered ones and those that could be.";
    1102 NO_POLICY: "no policy is set",
        "A backup needs to know how many generations to keep.",
        "`ecdeck policy set TV --generations N --interval DAYS --mode suspend|dissolve`.";
    1103 POOL_TOO_SMALL_FOR_POLICY: "the pool cannot serve this policy",
        "Synchronized backup of G generations needs G + 1 backup volumes of equal blocks a transaction volume.",
        "Register the missing backup volumes, or keep fewer generations.";
    1104 TOO_MANY_SESSIONS_FOR_POLICY: "the policy needs more sessions than the array grants a source volume",
        "In suspend mode every kept generation and the next one hold a session; sessions of other programs count too.",
        "Keep fewer generations, or use dissolve mode.";
    1105 ALREADY_REGISTERED: "the volume is registered already",
        "A volume has one role in a site.",
        "`ecdeck volume list` shows it.";
    1106 VOLUME_IN_USE: "the volume is still in use",
        "A volume with sessions or generations cannot be taken out of the site.",
        "Cancel its sessions and delete its generations first.";
    1107 POLICY_OUT_OF_RANGE: "the policy's numbers are out of range",
        "Generations go from 1 to 99, days from 1 to 366.",
        "Give numbers in range.";
    1108 NAME_TAKEN: "another volume has this name",
        "Names of a site are unique, so that nothing is done to the wrong volume.",
        "Choose another name.";
    1109 NOT_A_TRANSACTION_VOLUME: "this is not a transaction volume",
        "The verb acts on volumes that hold live data.",
        "`ecdeck volume list` shows the roles.";
    1110 NOT_A_BACKUP_VOLUME: "this is not a backup volume of the site",
        "Only registered backup volumes are copied to.",
        "`ecdeck volume add --backup VOLUME`.";
    1111 NO_SUCH_GENERATION: "no such generation",
        "The transaction volume keeps no generation of this version.",
        "`ecdeck history TV` lists the kept ones.";
    1112 GENERATION_HELD: "the generation is held",
        "Somebody marked it as not to be given up, with a reason.",
        "`ecdeck history unhold TV --version N` if the reason is gone.";
    1115 NOT_IN_DOUBT: "the generation is not in doubt",
        "Only a generation that is marked as in doubt can be accepted.",
        "`ecdeck history TV` shows the state of each generation.";
    1116 STILL_IN_DOUBT: "what puts the generation in doubt lasts",
        "As long as its volume is missing, or another copy uses it, nobody can say that it is good.",
        "Remove the cause that the refusal names, then accept the generation.";
    1201 NO_BACKUP_VOLUME: "no backup volume can be used",
        "No unused backup volume has as many blocks, and none is bound to this transaction volume without a generation.",
        "Take one of the remedies: release a version, cancel a bound volume, register a volume, or overwrite a version.";
    1202 BOUND_TO_ANOTHER: "the backup volume is suspended with another transaction volume",
        "A suspended volume serves its own transaction volume only.",
        "Name another volume, or cancel that session.";
    1203 HOLDS_A_GENERATION: "the backup volume holds a generation",
        "A valid generation is never made a copy destination without naming its version.",
        "Name another volume, delete the generation, or overwrite it by its version.";
    1204 UNEQUAL_SIZE: "the sizes differ",
        "Source and target must have equally many 512-byte blocks.",
        "Choose a backup volume of equal blocks.";
    1208 BACKUP_VOLUME_BUSY: "the backup volume is in a session already",
        "A backup volume is in at most one session.",
        "Name another volume, or end that session.";
    1210 MAP_SYNTAX: "this is not a device map",
        "A line of the file cannot be read, so nothing of the file is used.",
        "Correct the line: one pair a line, the transaction volume first, then the backup volume; # begins a comment.";
    1211 MAP_DUPLICATE: "the device map names a volume twice",
        "A transaction volume has one backup volume in a map, and a backup volume serves one transaction volume.",
        "Keep one of the two lines.";
    1212 MAP_HOLDS_A_VERSION: "the mapped backup volume holds a generation",
        "A device map never ends a generation.",
        "Use another round whose backup volume is unused or bound, or release the version first.";
    1301 NOT_EQUIVALENT: "not yet equivalent",
        "A backup is a copy at one instant; until both sides are identical there is none.",
        "`ecdeck backup TV --wait` waits for equivalence and then backs up; `ecdeck status` shows how far the copy is.";
    1302 NO_SESSION: "there is no session",
        "The verb acts on a synchronization of the volume, and there is none. A backup is never made of something else instead.",
        "`ecdeck sync start TV` begins one. What only ends a session has nothing left to do.";
    1303 MODE_DEVIATES: "the mode differs from the policy's",
        "Dissolving ends the session: the next start copies everything. Suspending keeps a volume bound.",
        "Confirm the deviation with --suspend or --dissolve, or change the policy.";
    1304 ONLY_SUSPENDED: "there are only suspended sessions",
        "A cancel without a name ends the live session only; suspended ones keep their differential base.",
        "Name one with --volume BV, or say --all.";
    1306 RESUME_FIRST: "the pair is suspended: resume first",
        "What is on the backup volume is the state of the last suspend, not of now.",
        "`ecdeck sync resume TV`, wait for equivalence, then back up.";
    1307 ALREADY_SYNCHRONIZING: "a session is live already",
        "A transaction volume has at most one live session.",
        "Wait for it: `ecdeck backup TV --wait` backs up as soon as it is equivalent. Or end it: `ecdeck sync cancel TV`.";
    1308 NOTHING_TO_RESUME: "there is no suspended session to resume",
        "Resume is a start that copies the difference only.",
        "`ecdeck sync start TV` makes a full copy.";
    1309 NOT_SUSPENDABLE: "this cannot be suspended now",
        "Only an equivalent session can be suspended without force.",
        "Wait for equivalence; or end it with `ecdeck sync force-stop TV`, which gives the copy up.";
    1310 ALREADY_SO: "it is so already",
        "The request asks for what is the case.",
        "Nothing is to be done; with --ensure this counts as success.";
    1311 SESSION_OF_OTHERS: "another program made this session",
        "Sessions that are not ours are shown and counted, never touched.",
        "Use the program that made it; `ecdeck status --json` has its name with the session.";
    1313 NO_BACKUP_IN_THIS_MODE: "no backup in this transfer mode",
        "In stack and through mode a REC's target is no copy at one instant.",
        "Change the mode to synchronous or consistency first.";
    1315 BACKUP_VOLUME_UNVERIFIED: "the backup volume is unverified",
        "Its session vanished without us; what is on it and who uses it is not known.",
        "Find out what ended its session; then `ecdeck sync cancel TV --volume BV` lets go of it, and the volume is unused.";
    1316 NEEDS_FORCE: "this is only possible with force",
        "The array refuses it in this state unless forced, and the copy is given up by that.",
        "`ecdeck sync force-stop TV` does it, and says what is lost.";
    1401 ERROR_SUSPENDED: "the array stopped the copy with an error",
        "It found something that it could not copy; its code tells what.",
        "Cancel the session, repair the cause, start again.";
    1402 HALTED: "the path between the boxes is lost",
        "A remote copy waits for its path. With automatic recovery it goes on by itself.",
        "Restore the path; with manual recovery, forced suspend and resume.";
    1403 HALF_OPEN: "the two halves of the remote session disagree",
        "The boxes tell different stories, or one of them has no session.",
        "Restore the path and look again; `ecdeck sync force-stop TV` ends what is left over.";
    1404 VANISHED: "a session is gone without us",
        "The array no longer reports a session that the catalogue knows.",
        "Find out what ended it; then `ecdeck sync cancel TV --volume BV` lets go of it. A generation on the volume stays.";
    1405 UNKNOWN_WORDS: "the array uses words that are not known here",
        "What a word means is never guessed; only a forced stop works until it is known.",
        "Look the word up in the array's manual and give its meaning in the configuration ([[array.ccm.words]]); `ecdeck array doctor ARRAY` lists such words.";
    1406 REVERSED: "the copy runs backwards",
        "The session was reversed: it copies from the backup volume into the transaction volume, as half of a restore by hand. \
         Going on would overwrite live data, or take the backup volume for a copy of now.",
        "Turn it back with the array's own tools (acec reverse), or end it with `ecdeck sync cancel TV --volume BV`.";
    1407 INBOUND: "another copy writes into the transaction volume",
        "What is copied on from it meanwhile is no copy at one instant, and the next copy might overwrite it in the middle.",
        "Wait until that copy is complete and its session ended or suspended, or end it with the program that made it.";
    1408 DIRECTION_UNKNOWN: "the direction of the copy is not known",
        "The array gave no direction, or two boxes give different ones. It is never taken for the usual one.",
        "Look at the session on the array, and give the mark's meaning in the configuration; `ecdeck sync cancel TV --volume BV` ends it.";
    1409 MODES_UNKNOWN: "the transfer mode of the remote copy is not known",
        "In stack and through mode the target is no copy at one instant, so an unknown mode permits no backup.",
        "Look at `ecdeck array doctor ARRAY`, and ask again when the mode is read.";
    1410 KIND_UNKNOWN: "the kind of the copy is not known",
        "The array's word for the kind of this session has no meaning here, and it is never guessed.",
        "Give the word's meaning in the configuration; `ecdeck array doctor ARRAY` lists such words.";
    1411 NO_SUSPEND_IN_THIS_MODE: "no suspend in this transfer mode",
        "The array refuses a suspend in through mode, and in stack mode before equivalence, even by force.",
        "Change the mode first, or end the session with `ecdeck sync force-stop TV`.";
    1501 ARRAY_REFUSED: "the array refused",
        "It gave its own code and text.",
        "Remove the cause that the array names, then ask again; `ecdeck audit show` has its answer in full.";
    1502 OUTCOME_UNKNOWN: "nobody knows yet whether it happened",
        "The line was lost after the command was sent, and the array does not show what was expected.",
        "`ecdeck status` shows what is so now, `ecdeck audit show` what was sent; then ask again for what is missing.";
    1503 STEP_FAILED: "a step failed, what came before it stays",
        "The operation stopped in the middle; the events tell where.",
        "`ecdeck audit show` tells which step it was, `ecdeck status` what is so now; then ask again for what is missing.";
    1504 INTERRUPTED: "it was given up before anything was sent",
        "The engine ended between agreement and the first command.",
        "Ask again.";
    1505 PAST_LIMIT: "the time limit has passed",
        "The request says until when a volume may be suspended (--until). Nothing was suspended after that.",
        "Ask again with a later time, or without one.";
    1701 ARRAY_BUSY: "the array stays busy",
        "It asked to be tried again, for longer than the limit.",
        "Try again later.";
    1702 ARRAY_STALE: "the array's reading is too old",
        "Nothing is decided on a reading older than three rounds: each a poll interval and what the array took to answer.",
        "See in `ecdeck array list` whether the array answers, and ask again.";
    1703 ARRAY_UNREACHABLE: "the array does not answer",
        "Nothing can be read from it or sent to it.",
        "`ecdeck array list` tells why; the copies on the array go on by themselves.";
    1704 IDENTITY_CHANGED: "another array answers under this name",
        "The box id differs from the one that the site knows. All verbs stop there, so that nothing is done to the wrong array.",
        "Check the configuration's address; if the array was replaced on purpose, take it out and add it anew.";
    1705 UNSUPPORTED: "this array cannot do that",
        "The driver's table of capabilities says no.",
        "Use another way, or another array.";
    1706 VOLUME_MISSING: "the array no longer has this volume",
        "It is registered here, but the array does not report it, or with another size.",
        "Look at the array; `ecdeck volume remove VOLUME` takes it out of the site.";
    1707 SESSION_LIMIT: "the source has as many sessions as the array grants",
        "Sessions of all kinds and programs count.",
        "Cancel one that is not needed.";
    1708 SESSIONS_UNREAD: "the sessions of others could not be read",
        "What other programs copy on this array is not known just now. A volume that they use could be overwritten.",
        "See in `ecdeck array doctor ARRAY` why, and ask again when they are read.";
    1709 OTHERS_NOT_SEEN: "the sessions of others are not seen",
        "This control plane cannot show what other programs copy on the array. The array itself still refuses a copy onto a volume in use.",
        "Keep the volumes of the pool out of other programs' reach.";
    1710 HOST_WRITES_NOT_SEEN: "writes on suspended backup volumes are not seen",
        "This driver cannot tell whether a host wrote on the volume of a kept generation.",
        "Keep backup volumes out of the hosts' reach, and verify a generation before it is used.";
    1711 ROW_UNREADABLE: "a line of the array's answer could not be read",
        "It may be any session. The volumes that it names are taken for volumes in use.",
        "`ecdeck array doctor ARRAY` shows the line and what to add to the configuration.";
    1712 COPY_INHIBITED: "the array inhibits copies to this volume",
        "Its copy protection is set, so that no copy may overwrite it.",
        "Name another volume, or take the protection off with the array's own tools (acinhibit).";
    1801 OVERDUE: "the backup is overdue",
        "The policy's interval has passed since the last one. Nothing is started by that.",
        "Synchronize and back up.";
    1802 HELD_BY_OTHER: "another operation has this volume",
        "One operation at a time has a volume to itself.",
        "Wait for it: `ecdeck status` shows what it is at.";
    1803 NEW_DATA_LOST: "what was written on the backup volume since the suspend is lost",
        "A resume overwrites changed regions of both sides with the source's data.",
        "Save it first if it is wanted.";
    1804 NO_GENERATION_BY_SUSPEND: "a suspend makes no generation",
        "Only a backup records one.",
        "Use backup if a generation is wanted.";
    1805 OVER_LIMIT_HELD: "more generations are kept than the policy says",
        "The oldest one is held or needs attention, so it is not given up.",
        "Release the hold when it has served.";
    1806 NEXT_COPY_FULL: "the next copy is a full one",
        "Ending a suspended session gives up its record of differences.",
        "Leave it suspended if the next copy should be short.";
    1807 BOUND_NOT_USABLE: "a bound backup volume cannot be used now",
        "A start prefers a suspended backup volume of its own, which needs only the difference.",
        "Start again when that volume is free and its array answers, or agree to the full copy.";
    1809 NEXT_BACKUP_RELEASES: "the next backup gives up generations",
        "The policy keeps fewer than there are. Nothing is given up now; the next backup does it.",
        "Hold what must stay (`ecdeck history hold TV --version N`), or keep more generations.";
    1901 CATALOGUE_UNAVAILABLE: "the catalogue cannot be written",
        "Nothing is done that could not be remembered.",
        "Do what the message says: it names the file or the server. The engine goes on by itself as soon as it can write.";
    1902 NOT_ON_DEMONSTRATION: "no site is configured here",
        "Verbs that change something, and all verbs without a terminal, never fall back to the demonstration site by themselves.",
        "Write a config.toml (config.example.toml explains every key), or let `ecdeck array add NAME --site SITE` write one for a real array; --demo or ECDECK_DEMO=1 means the demonstration site.";
    1903 ENGINE_MISMATCH: "the engine is of another version",
        "Client and engine speak different protocols or formats.",
        "End the engine that runs, as the message says: the next command starts this program's, and it goes on where it was.";
    1904 CATALOGUE_REPLACED: "the catalogue is not the one that the audit's heads are of",
        "The newest head that is kept beside it (audit.heads) is of an event that the catalogue does not have: it was lost, \
         replaced, or put back from an older copy. Volumes of kept generations could be taken for unused ones.",
        "Put the catalogue back. To begin anew, or to go on with an older copy, on purpose: move audit.heads away and start \
         the engine again. Every kept generation is in doubt then, until it is compared with the arrays and accepted.";
    1905 ENGINE_FULL: "the engine takes no more clients",
        "The number of clients is limited, for all together and for each user, so that nobody shuts out the others.",
        "End consoles and commands that are no longer needed, or try again later.";
    1911 CATALOGUE_IN_USE: "another engine has the catalogue",
        "One engine writes to a catalogue. It is known by host, process and since when.",
        "End the other engine, or use that one; then repeat.";
    1912 CATALOGUE_DAMAGED: "the catalogue is damaged, or no longer the one that was opened",
        "A row or a page cannot be read, or the file was removed or replaced under the engine. Nothing is written to it.",
        "Put the file back that was there, or end the engine and put a saved copy in its place.";
    1913 ENGINE_NOT_STARTED: "the engine could not be started",
        "What it needs was not as it must be; the message and the log say what.",
        "Correct what the message names, then repeat.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_once_in_the_table_in_order_and_explains_itself() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        for row in TABLE {
            assert_eq!(row.code.to_string().parse(), Ok(row.code));
            assert!(row.why.ends_with('.') && row.remedy.ends_with('.'), "{}", row.code);
        }
        assert!("ecd-0007".parse::<Code>().is_err());
    }
}
