//! What can be typed: the tree of verbs and options, as clap reads it.

use super::array_arguments::{ArrayVerb, Create, MaintenanceVerb};
use super::catalogue::CatalogueVerb;
use super::generation_verb::GenerationLine;
use super::hook::HookVerb;
use super::host::HostVerb;
use super::notify::NotifyVerb;
use super::pages::{
    ADD_EXAMPLES, AFTER, BACKUP_EXAMPLES, CANCEL_NOTE, CHECK_NOTE, COMMANDS, EXPORT_EXAMPLE, FORCE_STOP_NOTE,
    FRONT_PAGE, HISTORY_EXAMPLES, IMPORT_EXAMPLES, INIT_NOTE, MAP_EXAMPLES, METRICS_NOTE, POLICY_EXAMPLE,
    PRACTICE_NOTE, PREVIEW_NOTE, RECONCILE_EXAMPLES, REPORT_NOTE, RESTORE_EXAMPLES, SERVE_NOTE, SET_EXAMPLES,
    SNAPSHOT_EXAMPLES, START_EXAMPLES, STATUS_EXAMPLES, WAIT_NOTE,
};
use super::site_arguments::SiteVerb;
use super::{since, until};
use crate::model::awaited::Awaited;
use crate::model::backup_window::BackupWindow;
use crate::model::codes::Code;
use crate::model::duration::millis;
use crate::model::identity::Name;
use crate::model::proposal_kind::ProposalKind;
use crate::model::records::{BackupMode, Policy};
use crate::model::trouble_kind::TroubleId;
use crate::model::units::Timestamp;
use crate::model::verb::Role;
use crate::model::volume_group::GroupPlace;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

/// Operator console for synchronized high-speed backup on Fujitsu ETERNUS disk arrays
#[derive(Debug, Parser)]
#[command(
    name = "ecdeck",
    version,
    help_template = FRONT_PAGE,
    before_help = COMMANDS,
    after_help = AFTER,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct CommandLine {
    /// Show everything, change nothing (console)
    #[arg(long)]
    pub read_only: bool,
    /// Few bytes to the terminal, for slow lines (console)
    #[arg(long)]
    pub slow: bool,
    /// Work on the demonstration site (also: `ECDECK_DEMO=1`)
    #[arg(long, global = true, help_heading = "Site")]
    pub demo: bool,
    /// The configuration to use instead of the usual place
    #[arg(long, global = true, value_name = "FILE", help_heading = "Site")]
    pub config: Option<PathBuf>,
    /// Wait no longer than this for an answer (500ms, 90s, 10m, 2h, 1d; 90 is seconds); by default 5m, for `audit` 1h
    #[arg(long, global = true, value_name = "D", value_parser = duration)]
    pub time_limit: Option<Duration>,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// The present state: volumes, pool, copies, operations
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Status),
    /// Start, suspend, resume and end synchronizations
    Sync {
        #[command(subcommand)]
        verb: Sync,
    },
    /// Whether every volume can be recovered to a backup that is young enough, for monitors
    #[command(after_help = CHECK_NOTE)]
    Check(Check),
    /// Wait until transaction volumes are equivalent, suspended or idle
    #[command(after_help = WAIT_NOTE)]
    Wait(WaitFor),
    /// The site in figures, as `OpenMetrics` text for the textfile collector of a node exporter
    #[command(after_help = METRICS_NOTE)]
    Metrics(Metrics),
    /// What happened since a moment, and whether anything needs a person
    #[command(after_help = REPORT_NOTE)]
    Report(ReportArguments),
    /// Back up: the equivalent copy becomes a generation
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(Backup),
    /// Restore a generation to another volume, or to its own
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(Restore),
    #[command(after_help = SNAPSHOT_EXAMPLES)]
    Snapshot(TakeSnapshot),
    /// Practise a restore: copy a generation to a spare volume, compare its bytes, give the spare back
    #[command(after_help = PRACTICE_NOTE)]
    Practice(Practice),
    /// What the catalogue and the arrays disagree on; take volumes over from another program
    #[command(after_help = RECONCILE_EXAMPLES, args_conflicts_with_subcommands = true)]
    Reconcile(Reconcile),
    /// Generations, kept and released; hold, delete, accept them
    #[command(after_help = HISTORY_EXAMPLES)]
    History(History),
    /// Generations kept, days between backups, mode
    Policy {
        #[command(subcommand)]
        verb: PolicyVerb,
    },
    /// Which volumes belong to the site
    Volume {
        #[command(subcommand)]
        verb: VolumeVerb,
    },
    /// Sets: transaction volumes that are backed up together
    Set {
        #[command(subcommand)]
        verb: SetVerb,
    },
    /// Device maps: which backup volume is used for which transaction volume
    Map {
        #[command(subcommand)]
        verb: MapVerb,
    },
    /// Set up a site for the first time: arrays, then volumes and policies in the console
    #[command(after_help = INIT_NOTE)]
    Init(Init),
    /// The site as a file: write it, compare it, apply it
    Site {
        #[command(subcommand)]
        verb: SiteVerb,
    },
    /// Every request, decision, command and answer
    Audit {
        #[command(subcommand)]
        verb: Audit,
    },
    /// Copies of the catalogue, and putting one in its place
    Catalogue {
        #[command(subcommand)]
        verb: CatalogueVerb,
    },
    /// What a code like ecd-1301 means, and what to do
    Explain(Explain),
    /// The arrays; create and control embedded arrays
    Array {
        #[command(subcommand)]
        verb: ArrayVerb,
    },
    /// Run the engine in the foreground, for a service manager
    #[command(after_help = SERVE_NOTE)]
    Serve(Serve),
    /// Run what an SSH key asks for, as `command=` of `authorized_keys`
    #[command(hide = true)]
    ForcedCommand {
        /// The highest role to act in: viewer, operator or administrator
        #[arg(long, value_name = "ROLE")]
        role: Role,
    },
    /// Scripts before and after a backup
    Hook {
        #[command(subcommand)]
        verb: HookVerb,
    },
    /// The notification hook
    Notify {
        #[command(subcommand)]
        verb: NotifyVerb,
    },
    /// Disks, volume groups and mounts of the configured hosts
    Host {
        #[command(subcommand)]
        verb: HostVerb,
    },
    /// Run the hooks of one operation, as the engine orders it on standard input
    #[command(hide = true)]
    HookGuard,
    /// Completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// The manual page
    Man,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Transaction volumes; all of them without one
    #[arg(value_name = "TV")]
    pub volumes: Vec<String>,
    /// One line and the statuses of a monitoring plugin: 0 ok, 1 warning, 2 critical, 3 unknown
    #[arg(long, conflicts_with = "json")]
    pub nagios: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct WaitFor {
    /// Transaction volumes: all of them have to be there at the same time
    #[arg(required_unless_present = "set", value_name = "TV")]
    pub volumes: Vec<String>,
    /// All volumes of this set
    #[arg(long, value_name = "SET", conflicts_with = "volumes")]
    pub set: Option<Name>,
    /// The state to wait for
    #[arg(long = "for", value_name = "STATE")]
    pub awaited: AwaitedState,
    /// Wait no longer than this (500ms, 90s, 10m, 2h, 1d; 90 is seconds); without it, as long as it takes
    #[arg(long, value_name = "D", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AwaitedState {
    /// Synchronized: a backup is possible
    Equivalent,
    /// Its session is suspended
    Suspended,
    /// Nothing is copied or mirrored, and no operation works on it
    Idle,
}

impl From<AwaitedState> for Awaited {
    fn from(state: AwaitedState) -> Self {
        match state {
            AwaitedState::Equivalent => Self::Equivalent,
            AwaitedState::Suspended => Self::Suspended,
            AwaitedState::Idle => Self::Idle,
        }
    }
}

#[derive(Debug, Args)]
pub struct Metrics {
    /// Write to this file, which is replaced as a whole
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
pub struct ReportArguments {
    /// From this moment on: 18:00 (the last one), 2d (so long ago), or 2026-11-27T18:00
    #[arg(long, value_name = "TIME", value_parser = since::parse, required = true)]
    pub since: Option<Timestamp>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    #[command(subcommand)]
    pub verb: Option<ReportVerb>,
}

#[derive(Debug, Subcommand)]
pub enum ReportVerb {
    /// A trouble of the report is known: until a time it needs nobody
    Acknowledge(AcknowledgeArguments),
}

#[derive(Debug, Args)]
pub struct AcknowledgeArguments {
    /// The trouble, as the report shows it: 3f9a2c1b
    #[arg(value_name = "ID")]
    pub id: TroubleId,
    /// Why it needs nobody, or who is at it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Until this time: 08:00 (the next one), or 2026-11-30T08:00
    #[arg(long, value_name = "TIME", value_parser = until::parse)]
    pub until: Timestamp,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Only these volumes, with what belongs to them
    #[arg(value_name = "VOLUME", conflicts_with_all = ["watch", "set"])]
    pub volumes: Vec<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Continue, and print a line for each change, every so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub watch: Option<u32>,
    /// Only the volumes of this set
    #[arg(long, value_name = "SET", conflicts_with = "watch")]
    pub set: Option<Name>,
}

/// Options of every verb that changes something.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Plan and agreement")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option that scripts give")]
pub struct Change {
    /// Print the plan and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Agree to the plan as printed, never to another one
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
    /// Succeed if there is nothing to do
    #[arg(long)]
    pub ensure: bool,
    /// The reason, for the audit
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// The name of what is overwritten or released, for plans that destroy data
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Wait no longer than this for anything (500ms, 90s, 10m, 2h, 1d; 90 is seconds); the engine continues
    #[arg(long, value_name = "D", value_parser = duration)]
    pub time_limit: Option<Duration>,
}

#[derive(Debug, Subcommand)]
pub enum SetVerb {
    /// The sets, and how their volumes are
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The volumes of a set
    Show {
        /// The name of the set
        #[arg(value_name = "SET")]
        name: Name,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Put transaction volumes into a set; makes the set if there is none of this name
    #[command(after_help = SET_EXAMPLES)]
    Add {
        /// The name of the set
        #[arg(value_name = "SET")]
        name: Name,
        /// Transaction volumes
        #[arg(required = true, value_name = "TV")]
        volumes: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
    /// Take transaction volumes out of a set, or remove the set; volumes and backups stay
    Remove {
        /// The name of the set
        #[arg(value_name = "SET")]
        name: Name,
        /// Transaction volumes; the whole set without one
        #[arg(value_name = "TV")]
        volumes: Vec<String>,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Subcommand)]
pub enum MapVerb {
    /// Show every error in a device map file, with line and column
    #[command(after_help = MAP_EXAMPLES)]
    Check {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The host of volume groups that the file names without one
        #[arg(long, value_name = "HOST")]
        host: Option<Name>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print a device map of the backup volumes that a start would take now
    New {
        /// Transaction volumes; all of them without one
        #[arg(value_name = "TV")]
        volumes: Vec<String>,
    },
    /// Store device map files as the rounds of a map set: from then on its volumes are paired by it
    #[command(after_help = IMPORT_EXAMPLES)]
    Import {
        /// The name of the map set
        #[arg(value_name = "NAME")]
        name: Name,
        /// Files, one a round, or folders of them; - is standard input
        #[arg(required = true, value_name = "FILE|DIR")]
        sources: Vec<PathBuf>,
        /// The host of volume groups that the files name without one
        #[arg(long, value_name = "HOST")]
        host: Option<Name>,
        #[command(flatten)]
        change: Change,
    },
    /// The stored map sets
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The pairs of a map set, and what each would copy now
    Show {
        /// The name of the map set
        #[arg(value_name = "NAME")]
        name: Name,
        /// Only this round
        #[arg(long, value_name = "R")]
        round: Option<Name>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Change a map set in your editor ($VISUAL or $EDITOR)
    Edit {
        /// The name of the map set
        #[arg(value_name = "NAME")]
        name: Name,
        #[command(flatten)]
        change: Change,
    },
    /// Print a map set as text, or write a file a round into a folder
    Export {
        /// The name of the map set
        #[arg(value_name = "NAME")]
        name: Name,
        /// A folder without such files
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Remove a map set; its volumes are then paired by free choice
    Remove {
        /// The name of the map set
        #[arg(value_name = "NAME")]
        name: Name,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Subcommand)]
pub enum Sync {
    /// Start a synchronization: a differential copy where possible, else a full copy
    #[command(after_help = START_EXAMPLES)]
    Start {
        /// Transaction volumes; with --map, all of the map without one
        #[arg(required_unless_present_any = ["map", "set"], value_name = "TV")]
        volumes: Vec<String>,
        /// All volumes of this set: every one of them, or none
        #[arg(long, value_name = "SET", conflicts_with_all = ["volumes", "map", "overwrite_version"])]
        set: Option<Name>,
        /// Use the backup volumes of this device map file and no others, or a folder of them, or a stored map set
        #[arg(long, value_name = "FILE", conflicts_with = "overwrite_version")]
        map: Option<PathBuf>,
        /// The host of volume groups that the file names without one
        #[arg(long, value_name = "HOST", requires = "map")]
        host: Option<Name>,
        /// Wait until the volumes are equivalent
        #[arg(long)]
        wait: bool,
        /// Copy onto the backup volume of this version, which is released (needs --confirm BV)
        #[arg(long, value_name = "N", value_parser = version)]
        overwrite_version: Option<u64>,
        #[command(flatten)]
        change: Change,
    },
    /// Stop mirroring and track changes; records no generation
    Suspend(OnSession),
    /// Resume a suspended session: only the difference is copied
    Resume(OnSession),
    /// End sessions; generations stay
    #[command(after_help = CANCEL_NOTE)]
    Cancel {
        /// Suspended sessions too
        #[arg(long, conflicts_with = "volume")]
        all: bool,
        #[command(flatten)]
        on: OnSession,
    },
    /// End a session on the array, in any state
    #[command(after_help = FORCE_STOP_NOTE)]
    ForceStop {
        /// The transaction volume
        #[arg(value_name = "TV")]
        volume: String,
        /// The session to this backup volume
        #[arg(long = "volume", value_name = "BV")]
        target: Option<String>,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Args)]
pub struct OnSession {
    /// Transaction volumes
    #[arg(required = true, value_name = "TV")]
    pub volumes: Vec<String>,
    /// The session to this backup volume
    #[arg(long, value_name = "BV")]
    pub volume: Option<String>,
    /// Wait until the volumes are equivalent (resume only)
    #[arg(long, hide = true)]
    pub wait: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Backup {
    /// Transaction volumes
    #[arg(required_unless_present = "set", value_name = "TV")]
    pub volumes: Vec<String>,
    /// All volumes of this set, at one instant: every one of them, or none
    #[arg(long, value_name = "SET", conflicts_with = "volumes")]
    pub set: Option<Name>,
    /// Keep the session suspended, whatever the policy says
    #[arg(long, conflicts_with = "dissolve")]
    pub suspend: bool,
    /// End the session, whatever the policy says
    #[arg(long)]
    pub dissolve: bool,
    /// Back each volume up as soon as its session is equivalent; refused at once without a session
    #[arg(long)]
    pub wait: bool,
    /// Suspend nothing after this time of day. 04:00 is the next one, unless it was less than six hours ago
    #[arg(long, value_name = "TIME", value_parser = until::parse)]
    pub until: Option<Timestamp>,
    /// With --ensure: a volume whose newest sound generation is younger needs no backup [default: 12h]
    #[arg(long, value_name = "D", value_parser = duration, requires = "ensure")]
    pub newer_than: Option<Duration>,
    /// Run no hooks; the generation is recorded as crash-consistent, as a power cut would leave it
    #[arg(long)]
    pub crash_consistent: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct TakeSnapshot {
    /// The transaction volume
    #[arg(value_name = "TV")]
    pub volume: String,
    /// End the snapshot of this volume that runs
    #[arg(long)]
    pub cancel: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct Practice {
    /// The transaction volume
    #[arg(required_unless_present = "due", value_name = "TV")]
    pub volume: Option<String>,
    /// This generation; without it the newest one that can be compared
    #[arg(long, value_name = "N", value_parser = version, conflicts_with = "due")]
    pub version: Option<u64>,
    /// The volume whose backups were not practised for the longest time
    #[arg(long, conflicts_with = "volume")]
    pub due: bool,
    /// End the practice of this volume that runs
    #[arg(long, conflicts_with_all = ["version", "due"])]
    pub cancel: bool,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct Reconcile {
    /// Transaction volumes or volumes of the pool; none: all
    #[arg(value_name = "VOLUME")]
    pub volumes: Vec<String>,
    /// List the rows; this is what happens without --accept
    #[arg(long, conflicts_with = "accept")]
    pub list: bool,
    /// Do what is proposed
    #[arg(long)]
    pub accept: bool,
    /// These sorts of proposals only: adopt, forget, release
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = proposal_kind)]
    pub only: Vec<ProposalKind>,
    /// What `swsthistdisp` of ACM printed: gives adopted generations their times
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    #[command(flatten)]
    pub change: Change,
    #[command(subcommand)]
    pub verb: Option<ReconcileVerb>,
}

#[derive(Debug, Subcommand)]
pub enum ReconcileVerb {
    /// Give a volume that was taken over back to the program that made its sessions
    Release {
        /// The transaction volume
        #[arg(value_name = "TV")]
        volume: String,
        #[command(flatten)]
        change: Change,
    },
}

impl Reconcile {
    pub fn change(&self) -> &Change {
        match &self.verb {
            Some(ReconcileVerb::Release { change, .. }) => change,
            None => &self.change,
        }
    }
}

fn proposal_kind(text: &str) -> Result<ProposalKind, String> {
    let kinds = [ProposalKind::Adopt, ProposalKind::Forget, ProposalKind::Release];
    let known = kinds.into_iter().find(|kind| kind.to_string() == text);
    known.ok_or_else(|| format!("{text:?} is no sort of proposal: give adopt, forget or release"))
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The transaction volume whose generation it is
    #[arg(value_name = "TV", required_unless_present_any = ["cancel", "set"])]
    pub volume: Option<String>,
    /// All volumes of this set, onto themselves, with the generations of one instant: every one of them, or none
    #[arg(long, value_name = "SET", conflicts_with_all = ["volume", "to"])]
    pub set: Option<Name>,
    /// The absolute number of the generation: 17 or v17. Of a set: the instant in which one of its volumes has it
    #[arg(long, value_name = "N", value_parser = version, required_unless_present_any = ["cancel", "instant"])]
    pub version: Option<u64>,
    /// The newest backup of the whole set that is not newer: 18:00, Mon 02:00, 2d, 2026-11-27T18:00
    #[arg(long, value_name = "TIME", value_parser = since::parse, requires = "set", conflicts_with = "version")]
    pub instant: Option<Timestamp>,
    /// The volume to overwrite. Without it, a volume is proposed that nothing uses, never a transaction volume
    #[arg(long, value_name = "VOLUME")]
    pub to: Option<String>,
    /// Say that no host has the target mounted: this is not checked
    #[arg(long)]
    pub unmounted: bool,
    /// Do not keep what a transaction volume is now: by default it is first copied to an unused backup volume
    #[arg(long)]
    pub without_present_state: bool,
    /// End the restore to this volume, or give up one that did not come to its end
    #[arg(long, value_name = "VOLUME", conflicts_with_all = ["volume", "set", "version", "instant", "to", "unmounted", "without_present_state"])]
    pub cancel: Option<String>,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct History {
    #[command(subcommand)]
    pub verb: Option<HistoryVerb>,
    /// Only of this transaction volume, or on this backup volume
    #[arg(value_name = "VOLUME")]
    pub volume: Option<String>,
    /// At most so many generations
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub last: u32,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum HistoryVerb {
    /// Read generations again and compare them with their fingerprints; equal bytes take the doubt from them
    Verify(VerifyArguments),
    #[command(flatten)]
    Generation(GenerationLine),
}

#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The transaction volume; without one, every generation of the site that is fingerprinted
    #[arg(value_name = "TV")]
    pub volume: Option<String>,
    /// The absolute number of the generation: 17 or v17; without it, each that is fingerprinted
    #[arg(long, value_name = "N", value_parser = version, requires = "volume")]
    pub version: Option<u64>,
    /// Wait no longer than this (500ms, 90s, 10m, 2h, 1d; 90 is seconds); without it, as long as it takes
    #[arg(long, value_name = "D", value_parser = duration)]
    pub time_limit: Option<Duration>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct OnVersion {
    /// The transaction volume
    #[arg(value_name = "TV")]
    pub volume: String,
    /// The absolute number of the generation: 17 or v17
    #[arg(long, value_name = "N", value_parser = version)]
    pub version: u64,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// The policies of all transaction volumes, or of these
    Show {
        /// Transaction volumes; all of them without one
        #[arg(value_name = "TV")]
        volumes: Vec<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The nights to come: what each backup takes and releases, and when the pool runs dry
    #[command(after_help = PREVIEW_NOTE)]
    Preview(PreviewPolicy),
    /// Set the policy of a transaction volume
    #[command(after_help = POLICY_EXAMPLE)]
    Set(SetPolicy),
}

/// Options that change a policy without naming all of its numbers.
const KEEPS_THE_NUMBERS: [&str; 6] = ["reuse_oldest", "no_reuse_oldest", "floor", "min_interval", "grace", "window"];

/// A limit of a policy: a time, or what follows from the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Default,
    Seconds(u32),
}

/// Whole seconds, at most as many as the longest interval has.
fn limit(text: &str) -> Result<Limit, String> {
    const MAX: u64 = Policy::MAX_DAYS as u64 * 86_400;
    if text == "default" {
        return Ok(Limit::Default);
    }
    let millis = millis(text)?;
    match u32::try_from(millis / 1_000) {
        Ok(seconds) if millis % 1_000 == 0 && u64::from(seconds) <= MAX => Ok(Limit::Seconds(seconds)),
        _ => Err(format!("{text} is not a whole number of seconds up to {} days", Policy::MAX_DAYS)),
    }
}

/// The window of a policy: one, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowChoice(pub Option<BackupWindow>);

fn window(text: &str) -> Result<WindowChoice, String> {
    if text == "none" { Ok(WindowChoice(None)) } else { text.parse().map(Some).map(WindowChoice) }
}

#[derive(Debug, Args)]
pub struct PreviewPolicy {
    /// The transaction volume
    #[arg(value_name = "TV")]
    pub volume: String,
    /// Weeks to look ahead
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=52))]
    pub weeks: u16,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SetPolicy {
    /// The transaction volume
    #[arg(value_name = "TV")]
    pub volume: String,
    /// Generations kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(Policy::MAX_GENERATIONS)),
        required_unless_present_any = KEEPS_THE_NUMBERS)]
    pub generations: Option<u16>,
    /// Days between backups: exceeding them gives a notice
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=i64::from(Policy::MAX_DAYS)),
        required_unless_present_any = KEEPS_THE_NUMBERS)]
    pub interval: Option<u16>,
    /// What a backup does with the session: keep it, so that the next start copies the difference, or end it
    #[arg(long, required_unless_present_any = KEEPS_THE_NUMBERS)]
    pub mode: Option<Mode>,
    /// For sites without a spare backup volume: where none is free, a start releases the oldest generation, before the new
    /// backup exists (wants the volume's name)
    #[arg(long, conflicts_with = "no_reuse_oldest")]
    pub reuse_oldest: bool,
    /// Keep the oldest generation until the new one exists, as usual
    #[arg(long)]
    pub no_reuse_oldest: bool,
    /// Sound generations that retention always leaves [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(Policy::MAX_GENERATIONS)))]
    pub floor: Option<u16>,
    /// Retention releases nothing while the newest sound generation is younger: 12h, 30m, or default [default: half the
    /// interval]
    #[arg(long, value_name = "D", value_parser = limit)]
    pub min_interval: Option<Limit>,
    /// How much later than the interval a backup is still in time: 2h, 30m, or default [default: a tenth of the interval]
    #[arg(long, value_name = "D", value_parser = limit)]
    pub grace: Option<Limit>,
    /// The backup window in the engine's local time, as 02:00-05:00 or 22:00-05:00: what will not be equivalent, or is not
    /// backed up, by its end is late. Starts nothing. none: no window
    #[arg(long, value_name = "FROM-TO", value_parser = window)]
    pub window: Option<WindowChoice>,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Mode {
    Suspend,
    Dissolve,
}

impl From<Mode> for BackupMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Suspend => Self::Suspend,
            Mode::Dissolve => Self::Dissolve,
        }
    }
}

#[derive(Debug, Subcommand)]
pub enum VolumeVerb {
    /// Registered volumes, and volumes that can be registered
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Register volumes of an array: all of them, or none
    #[command(group = clap::ArgGroup::new("role").required(true), after_help = ADD_EXAMPLES)]
    Add {
        /// It holds live data
        #[arg(long, group = "role")]
        transaction: bool,
        /// It goes into the pool
        #[arg(long, group = "role")]
        backup: bool,
        /// Where it is: ARRAY/0x21, as `ecdeck volume list` shows it. ARRAY/0x20-0x2F are all volumes from one number to another
        #[arg(value_name = "VOLUME", required = true)]
        volumes: Vec<String>,
        /// A name for people, of one volume; without it a transaction volume gets the array's own or ARRAY-0x21, a backup volume none
        #[arg(long, value_name = "N")]
        name: Option<Name>,
        /// The volume group that the volume is: a host of the configuration, and the group there
        #[arg(long, value_name = "HOST:VG")]
        group: Option<GroupPlace>,
        #[command(flatten)]
        change: Change,
    },
    /// Give a volume another name; its generations, sessions and policy stay
    Rename {
        /// Its present name, or where it is
        #[arg(value_name = "VOLUME")]
        volume: String,
        /// The new name
        #[arg(value_name = "NAME")]
        name: Name,
        #[command(flatten)]
        change: Change,
    },
    /// Take a volume out of the site
    Remove {
        /// Its name, or where it is
        #[arg(value_name = "VOLUME")]
        volume: String,
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// The newest events
    Show {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 40)]
        last: u32,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Check the chain of hashes, the heads kept outside, and the tables against the events
    Verify {
        /// A head that was kept elsewhere: the chain must contain it. Can be given more than once
        #[arg(long, value_name = "HEAD")]
        head: Vec<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// All events, one JSON object a line
    #[command(after_help = EXPORT_EXAMPLE)]
    Export {
        /// From this event number
        #[arg(long, value_name = "SEQUENCE", default_value_t = 1)]
        from: u64,
    },
}

#[derive(Debug, Args)]
pub struct Explain {
    /// ecd-1301, or 1301; all codes without one
    #[arg(value_name = "CODE")]
    pub code: Option<Code>,
    /// The rules of the embedded arrays, each with its code and source
    #[arg(long, conflicts_with = "code")]
    pub array: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Init {
    /// Apply a site that is written down (see `ecdeck site export`): the difference is shown first
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub change: Change,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Started by a command: says when it is ready, ends when it has been idle for a while
    #[arg(long, hide = true)]
    pub detached: bool,
}

/// How long a reading verb waits, where nobody said how long.
const READING_TIMEOUT: Duration = Duration::from_mins(5);
/// The same for what reads the whole audit.
const AUDIT_TIMEOUT: Duration = Duration::from_hours(1);

impl Verb {
    /// How long a verb that reads may take. `asked`: by the command line. `None`: as long as it takes, because it serves, is to
    /// go on, or bounds its waits itself.
    pub fn reading_limit(&self, asked: Option<Duration>) -> Option<Duration> {
        let default = match self {
            Self::Status(Status { watch: Some(_), .. }) => return asked,
            Self::Audit { .. } | Self::Catalogue { verb: CatalogueVerb::Save { .. } } => AUDIT_TIMEOUT,
            Self::Status(_)
            | Self::Check(_)
            | Self::Metrics(_)
            | Self::Report(_)
            | Self::Explain(_)
            | Self::Reconcile(Reconcile { accept: false, verb: None, .. })
            | Self::History(History { verb: None, .. })
            | Self::Policy { verb: PolicyVerb::Show { .. } | PolicyVerb::Preview(_) }
            | Self::Volume { verb: VolumeVerb::List { .. } }
            | Self::Map {
                verb:
                    MapVerb::Check { .. }
                    | MapVerb::New { .. }
                    | MapVerb::List { .. }
                    | MapVerb::Show { .. }
                    | MapVerb::Export { .. },
            }
            | Self::Set { verb: SetVerb::List { .. } | SetVerb::Show { .. } }
            | Self::Site { verb: SiteVerb::Export { .. } | SiteVerb::Diff { .. } }
            | Self::Hook { verb: HookVerb::List { .. } }
            | Self::Catalogue { verb: CatalogueVerb::List { .. } }
            | Self::Host { .. }
            | Self::Array {
                verb:
                    ArrayVerb::List { .. }
                    | ArrayVerb::Volumes { .. }
                    | ArrayVerb::Doctor { .. }
                    | ArrayVerb::Fingerprint { .. },
            } => READING_TIMEOUT,
            _ => return None,
        };
        Some(asked.unwrap_or(default))
    }

    /// Whether it answers as a monitoring plugin, errors too.
    pub fn is_plugin(&self) -> bool {
        matches!(self, Self::Check(Check { nagios: true, .. }))
    }

    /// Whether errors are printed as JSON too.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Status(asked) => asked.json,
            Self::Check(asked) => asked.json,
            Self::Wait(asked) => asked.json,
            Self::Report(ReportArguments { verb: Some(ReportVerb::Acknowledge(asked)), .. }) => asked.json,
            Self::Report(asked) => asked.json,
            Self::History(asked) => match &asked.verb {
                None => asked.json,
                Some(HistoryVerb::Verify(verify)) => verify.json,
                Some(HistoryVerb::Generation(line)) => asked.json || line.on.change.json,
            },
            Self::Explain(asked) => asked.json,
            Self::Hook { verb: HookVerb::Test(asked) } => asked.json,
            Self::Notify { verb: NotifyVerb::Test(asked) } => asked.json,
            Self::Backup(asked) => asked.change.json,
            Self::Restore(asked) => asked.change.json,
            Self::Snapshot(asked) => asked.change.json,
            Self::Practice(asked) => asked.change.json,
            Self::Reconcile(asked) => asked.change().json,
            Self::Init(asked) => asked.change.json,
            Self::Map { verb: MapVerb::Check { json, .. } | MapVerb::List { json } | MapVerb::Show { json, .. } }
            | Self::Policy { verb: PolicyVerb::Show { json, .. } | PolicyVerb::Preview(PreviewPolicy { json, .. }) }
            | Self::Volume { verb: VolumeVerb::List { json } }
            | Self::Hook { verb: HookVerb::List { json } }
            | Self::Set { verb: SetVerb::List { json } | SetVerb::Show { json, .. } }
            | Self::Host { verb: HostVerb::List { json } | HostVerb::Show { json, .. } }
            | Self::Site { verb: SiteVerb::Diff { json, .. } }
            | Self::Catalogue { verb: CatalogueVerb::List { json } | CatalogueVerb::Save { json, .. } }
            | Self::Audit { verb: Audit::Show { json, .. } | Audit::Verify { json, .. } } => *json,
            Self::Catalogue { verb: CatalogueVerb::Load(asked) } => asked.change.json,
            Self::Policy { verb: PolicyVerb::Set(SetPolicy { change, .. }) }
            | Self::Site { verb: SiteVerb::Apply { change, .. } }
            | Self::Set { verb: SetVerb::Add { change, .. } | SetVerb::Remove { change, .. } }
            | Self::Map {
                verb: MapVerb::Import { change, .. } | MapVerb::Edit { change, .. } | MapVerb::Remove { change, .. },
            }
            | Self::Volume {
                verb:
                    VolumeVerb::Add { change, .. } | VolumeVerb::Rename { change, .. } | VolumeVerb::Remove { change, .. },
            } => change.json,
            Self::Sync { verb } => verb.change().json,
            Self::Array { verb } => match verb {
                ArrayVerb::List { json }
                | ArrayVerb::Volumes { json, .. }
                | ArrayVerb::Doctor { json, .. }
                | ArrayVerb::Maintenance { verb: MaintenanceVerb::Begin { json, .. }, .. }
                | ArrayVerb::Maintenance { verb: MaintenanceVerb::End { change: Change { json, .. } }, .. }
                | ArrayVerb::Fingerprint { json, .. }
                | ArrayVerb::Create(Create { json, .. }) => *json,
                _ => false,
            },
            Self::Map { verb: MapVerb::New { .. } | MapVerb::Export { .. } }
            | Self::Site { verb: SiteVerb::Export { .. } }
            | Self::Audit { verb: Audit::Export { .. } }
            | Self::Metrics(_)
            | Self::Serve(_)
            | Self::ForcedCommand { .. }
            | Self::HookGuard
            | Self::Completions { .. }
            | Self::Man => false,
        }
    }
}

impl VolumeVerb {
    /// `None` where nothing is changed.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::List { .. } => None,
            Self::Add { change, .. } | Self::Rename { change, .. } | Self::Remove { change, .. } => Some(change),
        }
    }
}

impl Sync {
    pub fn change(&self) -> &Change {
        match self {
            Self::Start { change, .. } | Self::ForceStop { change, .. } => change,
            Self::Suspend(on) | Self::Resume(on) | Self::Cancel { on, .. } => &on.change,
        }
    }
}

/// `500ms`, `90s`, `10m`, `2h`, `1d`; 90 is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    millis(text).map(Duration::from_millis)
}

fn version(text: &str) -> Result<u64, String> {
    text.strip_prefix('v').unwrap_or(text).parse().map_err(|_| format!("{text:?} is not a version: write 17 or v17"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_tree_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn history_takes_a_volume_or_a_verb() {
        let read = |words: &[&str]| CommandLine::try_parse_from(words).map(|line| line.verb);
        assert!(matches!(
            read(&["ecdeck", "history", "ora"]),
            Ok(Some(Verb::History(History { verb: None, volume: Some(_), .. })))
        ));
        assert!(matches!(
            read(&["ecdeck", "history", "delete", "ora", "--version", "v3"]),
            Ok(Some(Verb::History(History { verb: Some(HistoryVerb::Generation(line)), .. }))) if line.on.version == 3
        ));
        assert!(read(&["ecdeck", "volume", "add", "D/0x1"]).is_err());
        assert!(read(&["ecdeck", "volume", "add", "--backup", "D/0x1"]).is_ok());
    }
}
