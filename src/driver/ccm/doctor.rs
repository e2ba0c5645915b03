//! Examining the way to an array by CCM: each thing by itself, in the order in which they build on each other.

use super::array::CcmDriver;
use super::command;
use super::reply;
use super::server::Turn;
use super::word_table::StatusMeaning;
use crate::driver::Driver;
use crate::driver::transport::ExecError;
use crate::driver::transport::argv::Argv;
use crate::model::advice::UnknownTerm;
use crate::model::check::{Check, Verdict, Way};
use crate::model::codes::Code;
use crate::model::copy::{Ability, ErrorClass};
use crate::model::session::{CopyKind, Others, Reading};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;

/// Milliseconds that two clocks may differ before it is worth a word.
const CLOCKS: u64 = 60_000;

/// What was found so far.
#[derive(Default)]
struct Findings(Vec<Check>);

impl Findings {
    fn add(&mut self, what: &'static str, verdict: Verdict, told: impl Into<String>, remedy: Option<&str>) {
        // Texts of the array are in here: whatever they contain, they must be fit for a terminal.
        let told = Untrusted::new(told).escaped();
        let (way, remedy) = (Way::First, remedy.map(str::to_owned));
        self.0.push(Check { way, what, verdict, told, remedy, paste: Vec::new() });
    }

    /// What the configuration can mend, with the lines for it.
    fn teach(&mut self, what: &'static str, told: impl Into<String>, remedy: &str, lines: Vec<String>) {
        self.add(what, Verdict::Attention, told, Some(remedy));
        if let Some(check) = self.0.last_mut() {
            check.paste = lines;
        }
    }

    fn good(&mut self, what: &'static str, told: impl Into<String>) {
        self.add(what, Verdict::Good, told, None);
    }

    fn bad(&mut self, what: &'static str, told: impl Into<String>, remedy: &str) {
        self.add(what, Verdict::Bad, told, Some(remedy));
    }
}

/// Questions that an examination has time for: each of its parts has limits of its own, which come to less.
const QUESTIONS: u32 = 15;

/// Looks at everything that can be looked at without changing anything. It ends at the first thing that the rest needs, and
/// always within its time.
pub async fn examine(driver: &CcmDriver, now: Timestamp) -> Vec<Check> {
    let mut findings = Findings::default();
    let limit = driver.settings.connect.saturating_add(driver.settings.query.saturating_mul(QUESTIONS));
    let whole = async {
        if examine_server(driver, now, &mut findings).await {
            examine_array(driver, now, &mut findings).await;
        }
    };
    if tokio::time::timeout(limit, whole).await.is_err() {
        findings.bad(
            "it ends in time",
            format!("CCM {} had not answered everything after {} s", driver.server.place(), limit.as_secs()),
            "look at the load of the CCM server, and at what CCM waits for there",
        );
    }
    findings.0
}

/// Whether CCM answers there.
async fn examine_server(driver: &CcmDriver, now: Timestamp, findings: &mut Findings) -> bool {
    const REACHED: &str = "the server is reached";
    let limit = driver.settings.query;
    let Some(turn) = driver.server.question(limit.saturating_mul(3)).await else {
        findings.bad(REACHED, "another command of this program holds it", "wait for it, or end the engine");
        return false;
    };
    if !examine_clock(&turn, now, findings).await {
        return false;
    }
    examine_commands(driver, &turn, findings).await
}

/// The first command is not CCM's, so that what fails here is the way and not CCM.
async fn examine_clock(turn: &Turn<'_>, now: Timestamp, findings: &mut Findings) -> bool {
    const REACHED: &str = "the server is reached";
    const CLOCK: &str = "its clock is ours";
    let reply = match turn.send(&command::clock()).await {
        Ok(reply) => reply,
        Err(ExecError::NotRun { class, why, .. }) => {
            findings.bad(REACHED, why.raw(), remedy_of_way(class));
            return false;
        }
        Err(lost @ ExecError::Lost { .. }) => {
            findings.bad(REACHED, lost.to_string(), "look at the network and the server's load");
            return false;
        }
    };
    findings.good(REACHED, turn.place());
    let told = String::from_utf8_lossy(&reply.stdout).trim().parse::<i64>();
    match told.ok().and_then(|seconds| seconds.checked_mul(1_000)) {
        Some(theirs) if theirs.abs_diff(now.0) <= CLOCKS => findings.good(CLOCK, "within a minute"),
        Some(theirs) => findings.add(
            CLOCK,
            Verdict::Attention,
            format!("it differs by {} s", theirs.abs_diff(now.0) / 1_000),
            Some("let both machines follow the same time server: CCM's records carry its time"),
        ),
        None => findings.add(CLOCK, Verdict::Attention, "it did not tell its time", None),
    }
    true
}

fn remedy_of_way(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Auth => {
            "check the host key with the server's administrator, and that the server accepts your key (`ssh -v` says more)"
        }
        ErrorClass::Config => "check host, port, user and ssh's own configuration in the array's section",
        _ => "check that the server is up and that nothing blocks the port",
    }
}

const COMMANDS: &str = "CCM's commands are found";
const RIGHTS: &str = "they may be run";

/// Every program that verbs need. Called without anything to do, each but the first only says how it is used.
async fn examine_commands(driver: &CcmDriver, turn: &Turn<'_>, findings: &mut Findings) -> bool {
    const XML: &str = "they answer in XML";
    let argv = command::list_arrays();
    let mut first = None;
    for asked in std::iter::once(argv.clone()).chain(command::usages()) {
        match turn.send(&asked).await {
            Ok(reply) => first = first.or(Some(reply)),
            Err(wrong) => {
                not_run(driver, &asked, wrong, findings);
                return false;
            }
        }
    }
    let Some(reply) = first else { return false };
    let programs = std::iter::once(argv.clone()).chain(command::usages());
    let programs: Vec<String> = programs.map(|argv| argv_program(&argv)).collect();
    let folder = driver.settings.directory.as_ref().map(|folder| format!(" in {}", folder.as_str()));
    findings.good(COMMANDS, format!("{}{}", programs.join(", "), folder.unwrap_or_default()));
    match reply::response(&argv, &reply.stdout) {
        Err(wrong) => {
            findings.good(RIGHTS, "yes");
            let stderr = String::from_utf8_lossy(&reply.stderr).trim().to_owned();
            let told = if stderr.is_empty() { wrong.to_string() } else { format!("{wrong}; it also said: {stderr}") };
            findings.bad(
                XML,
                told,
                "run the command by hand; nothing but CCM may print to its output, greetings included",
            );
            false
        }
        Ok(response) if response.code != 0 => {
            let text = format!("code {}: {}", response.code, response.message);
            findings.bad(RIGHTS, text, "CCM wants root: set `sudo = true`, or use an account that may run it");
            false
        }
        Ok(response) => {
            findings.good(RIGHTS, "yes");
            let version = response
                .version
                .map_or("no format version, as 14.1 has it".to_owned(), |version| format!("format version {version}"));
            findings.good(XML, version);
            true
        }
    }
}

fn not_run(driver: &CcmDriver, argv: &Argv, wrong: ExecError, findings: &mut Findings) {
    let program = argv_program(argv);
    match wrong {
        ExecError::NotRun { class: ErrorClass::Config, why, .. } => findings.bad(
            COMMANDS,
            format!("{program}: {}", why.raw()),
            "find the folder of acarray, acec and the others on the server, and set `directory` to it",
        ),
        ExecError::NotRun { class: ErrorClass::Auth, why, .. } => {
            findings.good(COMMANDS, "yes");
            findings.bad(
                RIGHTS,
                format!("{program}: {}", why.raw()),
                if driver.settings.sudo {
                    "let sudoers allow CCM's commands without a password, or use an account that needs no sudo"
                } else {
                    "use an account that may run CCM's commands, or set `sudo = true` and allow them in sudoers"
                },
            );
        }
        other => {
            findings.bad(COMMANDS, other.to_string(), "run the command by hand on the server and see what it does");
        }
    }
}

fn argv_program(argv: &Argv) -> String {
    argv.words().next().unwrap_or_default().to_owned()
}

async fn examine_array(driver: &CcmDriver, now: Timestamp, findings: &mut Findings) {
    const KNOWN: &str = "CCM knows the array";
    const SESSIONS: &str = "its sessions are readable";
    match driver.identify().await {
        Ok(identity) => findings.good(KNOWN, format!("{} is box {}", driver.settings.array, identity.box_id)),
        Err(wrong) => {
            let remedy = "set `array` in its [array.ccm] section to a name of `acarray list`, or add it there with `acarray add`";
            return findings.bad(KNOWN, wrong.detail.raw(), remedy);
        }
    }
    match driver.volumes().await {
        Ok(volumes) => examine_volumes(driver, volumes.len(), findings),
        Err(wrong) => findings.bad(VOLUMES, wrong.detail.raw(), "look at `acinq lv -l` on the server"),
    }
    match driver.sessions_afresh(now).await {
        Ok(reading) => {
            findings.good(SESSIONS, format!("{} now", reading.sessions.len()));
            examine_others(&reading, findings);
            examine_writes(driver, findings);
            examine_bytes(findings);
            examine_terms(&reading, findings);
            examine_suspended(driver, findings);
            examine_limit(driver, &reading, findings);
        }
        // The command that failed stands in the text.
        Err(wrong) => findings.bad(SESSIONS, wrong.detail.raw(), "run that command by hand on the server"),
    }
}

const VOLUMES: &str = "its volumes are readable";
/// Volumes without a size that are named one by one.
const MAX_NAMED: usize = 5;

fn examine_volumes(driver: &CcmDriver, count: usize, findings: &mut Findings) {
    let left_out = driver.memory().left_out.clone();
    if left_out.is_empty() && count > 0 {
        return findings.good(VOLUMES, format!("{count} with an exact size"));
    }
    let named = left_out.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join("; ");
    let more = match left_out.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let text = format!("{count} with an exact size, {} left out: {named}{more}", left_out.len());
    if count == 0 {
        let text = if left_out.is_empty() { "there is none".to_owned() } else { text };
        return findings.bad(VOLUMES, text, "look at `acinq lv -l` on the server");
    }
    let remedy = "a volume without an exact size cannot be used: it can be compared with no other one";
    findings.add(VOLUMES, Verdict::Attention, text, Some(remedy));
}

fn examine_others(reading: &Reading, findings: &mut Findings) {
    const OTHERS: &str = "sessions of others are seen";
    match &reading.others {
        Others::Read if reading.unknown_rows.is_empty() => findings.good(OTHERS, "all of them"),
        Others::Read => {}
        Others::NotShown { why } => findings.add(
            OTHERS,
            Verdict::Attention,
            format!("{why} ({})", Code::OTHERS_NOT_SEEN),
            Some("before a start, see by the array's web interface that no other program uses the volume"),
        ),
        Others::Failed { why } => {
            let remedy =
                "run `accopy query -type all` on the server; until it can be read, no new backup volume is chosen";
            findings.bad(OTHERS, why.raw(), remedy);
        }
    }
    for row in &reading.unknown_rows {
        findings.add(
            OTHERS,
            Verdict::Attention,
            format!("not the line \"{}\": {}", row.words.escaped(), row.why),
            None,
        );
    }
}

/// What the driver can never see is said too.
fn examine_writes(driver: &CcmDriver, findings: &mut Findings) {
    const WRITES: &str = "writes on suspended volumes are seen";
    if driver.capabilities().sees_target_writes == Ability::Yes {
        return findings.good(WRITES, "yes");
    }
    let told =
        format!("CCM does not show whether a host wrote on a suspended backup volume ({})", Code::HOST_WRITES_NOT_SEEN);
    let remedy = "let no host write on backup volumes, and verify a generation before you use it";
    findings.add(WRITES, Verdict::Attention, told, Some(remedy));
}

/// So that nobody waits for a fingerprint that never comes.
fn examine_bytes(findings: &mut Findings) {
    const BYTES: &str = "bytes of volumes can be read";
    let told = "no: its generations stay \"not fingerprinted\"; what is in doubt is judged by a person and `ecdeck history accept TV --version N --reason TEXT`";
    findings.good(BYTES, told);
}

/// Words and titles without a meaning, with the lines that give them one.
fn examine_terms(reading: &Reading, findings: &mut Findings) {
    const TITLES: &str = "its titles are known";
    const WORDS: &str = "its words are known";
    let is_title = |term: &&UnknownTerm| term.used_as.is_title();
    let (titles, words): (Vec<_>, Vec<_>) = reading.unknown_terms.iter().partition(is_title);
    for (what, terms, all) in [(TITLES, titles, "all that it shows now"), (WORDS, words, "all that it says now")] {
        if terms.is_empty() {
            findings.good(what, all);
        }
        for term in terms {
            findings.teach(what, term.what.as_str(), &term.advice.text, term.advice.lines.clone());
        }
    }
}

fn examine_suspended(driver: &CcmDriver, findings: &mut Findings) {
    const SUSPENDED: &str = "a suspended copy can be recognised";
    // A REC wants a second array.
    let arrays = driver.server.names_so_far().map_or(0, |names| names.all().count());
    let kinds = [Some(CopyKind::Ec), (arrays > 1).then_some(CopyKind::Rec)];
    for kind in kinds.into_iter().flatten() {
        if driver.words.can_tell(kind, StatusMeaning::Suspended) {
            findings.good(SUSPENDED, format!("{kind}: its word is confirmed"));
        } else {
            findings.add(
                SUSPENDED,
                Verdict::Attention,
                format!("{kind}: no word for it is confirmed, so none is suspended here"),
                Some("suspend one by hand, and run this examination again: it shows the lines for the word"),
            );
        }
    }
}

fn examine_limit(driver: &CcmDriver, reading: &Reading, findings: &mut Findings) {
    const LIMIT: &str = "sources have room for sessions";
    let most = driver.capabilities().sessions_per_source;
    let mut of_source = BTreeMap::new();
    for session in &reading.sessions {
        *of_source.entry(session.pair.source).or_insert(0_u16) += 1;
    }
    match of_source.into_iter().max_by_key(|(_, count)| *count) {
        Some((volume, count)) if count >= most => findings.add(
            LIMIT,
            Verdict::Attention,
            format!("{volume} has {count} of {most}"),
            Some("end a session of that volume before another one is started"),
        ),
        Some((_, count)) => findings.good(LIMIT, format!("at most {count} of {most} are taken")),
        None => findings.good(LIMIT, format!("none of {most} is taken")),
    }
}
