//! What can be typed after `ecdeck array`: the embedded arrays and their administration.

use super::arguments::{Change, duration};
use crate::driver::emulated::admin::{
    PathState as WirePathState, RecBuffer, RefusedWith, RuleSet, Setting, SettingsChange, Side,
};
use crate::driver::set_up::{self, AddArguments};
use crate::model::identity::{BoxId, Name, Olu};
use crate::model::units::{Blocks, Timestamp};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

const STOP_NOTE: &str = "\
An engine that runs starts it again with its next reading: end that first, where
the arrays should stay down.";

const VOLUMES_NOTE: &str = "\
Writing into an image file past the array is not tracked: a resume would not
copy it. Use `ecdeck array write`.";

const ACCEPT_NOTE: &str = "\
A volume whose image was deleted, replaced or changed in size is out of service.
`accept` takes the file that lies there now, if it has the right size. Copies of
the volume are in error and must be cancelled; nobody has checked what the file
holds.";

const CREATE_EXAMPLES: &str = "\
Examples:
  ecdeck array create LAB1 --size 64MiB --count 3
  ecdeck array create LAB1 --size 64MiB --olu 0x21 --label spare";

const WRITE_EXAMPLES: &str = "\
Examples:
  ecdeck array write LAB1/0x0 --length 8MiB
  ecdeck array write LAB1/0x0 --scatter 200 --seed 7";

const SET_EXAMPLES: &str = "\
A copy table that is too small for the copies that there are makes the
newest ones fail, as on a real array.

Examples:
  ecdeck array set LAB1 --copy-table 100MiB
  ecdeck array set LAB1 --sessions 16 --suspend-time 6s";

const DELETE_NOTE: &str = "\
ecdeck's catalogue is not asked: this practises what happens when somebody
deletes a volume behind it.";

const EXPAND_NOTE: &str = "\
ecdeck's catalogue is not asked: this practises what happens when somebody
expands a volume behind it. Copies hinder it: end them first.";

const FAULT_EXAMPLES: &str = "\
Examples:
  ecdeck array fault LAB1 error-suspend 0x0 0x21
  ecdeck array fault LAB1 lost-reply --times 2
  ecdeck array fault LAB1 clear";

const MAINTENANCE_NOTE: &str = "\
Starts, resumes, backups and restores on the array are refused (ecd-1271) until
its end, or until the time of --until has passed.
Copies that run go on. Overdue volumes are listed and not notified. Its end
resumes what was live at the begin and is suspended now. A maintenance that is
past its time is a trouble until somebody ends it.

Examples:
  ecdeck array maintenance DX1 begin --until 14:00 --reason firmware
  ecdeck array maintenance DX1 end --yes";

#[derive(Debug, Subcommand)]
pub enum MaintenanceVerb {
    /// Begin one, or give the present one another time
    Begin {
        /// Until this time: 08:00 (the next one), or 2026-11-30T08:00
        #[arg(long, value_name = "TIME", value_parser = super::until::parse)]
        until: Timestamp,
        /// Why, for everybody who is refused
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Say what it would be, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// End it, and resume what was live when it began
    End {
        #[command(flatten)]
        change: Change,
    },
}

#[derive(Debug, Subcommand)]
pub enum ArrayVerb {
    /// All arrays of the site, and whether they answer
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// The volumes of the embedded arrays, with their image files
    #[command(after_help = VOLUMES_NOTE)]
    Volumes {
        /// Only those of this array
        array: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add a real array to the configuration
    #[command(after_help = set_up::help())]
    Add(Add),
    /// Examine the connection to a real array, and say what to do about each fault
    Doctor {
        /// Its name in the configuration
        array: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Nothing is started on an array until its maintenance ends
    #[command(after_help = MAINTENANCE_NOTE)]
    Maintenance {
        /// Its name in the configuration
        array: Name,
        #[command(subcommand)]
        verb: MaintenanceVerb,
    },
    /// Run the embedded arrays in the foreground, for a service manager
    Serve {
        /// Started by a command: says when it is ready, ends when it has been idle for a while
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Start the process of the embedded arrays
    Start,
    /// End that process; copies continue when it is started again
    #[command(after_help = STOP_NOTE)]
    Stop,
    /// Create an embedded array, or volumes in one
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Accept the file that is now in the place of a volume's image
    #[command(after_help = ACCEPT_NOTE)]
    Accept {
        /// The volume, which is out of service
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
    },
    /// Copy a file into a volume, from its beginning
    Import {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// An image of a disk or a file system, no larger than the volume
        file: PathBuf,
    },
    /// Write into a volume as a host does
    #[command(after_help = WRITE_EXAMPLES)]
    Write(Write),
    /// Write continuously as a host does, at places from a seed
    Workload(Workload),
    /// Serve a volume to hosts over NBD on a Unix socket, until it is ended or the array process ends
    Export {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// The socket, which is made
        #[arg(long, required_unless_present = "stop", conflicts_with = "stop", value_name = "PATH")]
        socket: Option<PathBuf>,
        /// End it
        #[arg(long)]
        stop: bool,
    },
    /// The speed of copies
    Rate {
        /// Bytes a second of each copy, as 4MiB, or `none`
        #[arg(value_parser = rate)]
        rate: Rate,
        /// Only the copy of these two volumes
        #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
        of: Option<Vec<String>>,
    },
    /// Inject a fault until it is cleared; without a fault, list the present ones
    #[command(after_help = FAULT_EXAMPLES)]
    Fault {
        /// The array; without it, the list is of all
        array: Option<String>,
        /// The list as one JSON object
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        fault: Option<FaultVerb>,
    },
    /// Choose the rules of an embedded array; `ecdeck explain --array` lists them
    Rules {
        /// The array
        array: String,
        /// `documented` keeps all of them and is what a new array has; `lenient` keeps those of earlier releases
        rules: ChosenRules,
    },
    /// Set the limits of an embedded array, and how long its commands take; without options, show them
    #[command(after_help = SET_EXAMPLES)]
    Set(Set),
    /// Delete a volume of an embedded array, with its data
    #[command(after_help = DELETE_NOTE)]
    Delete {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// End the copies that it has
        #[arg(long)]
        force: bool,
    },
    /// Make a volume larger that has no copy; its new blocks are zeros
    #[command(after_help = EXPAND_NOTE)]
    Expand {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// Its new size, for example 64MiB
        #[arg(value_parser = size)]
        size: Blocks,
    },
    /// Write zeros all over a volume that has no copy
    Format {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
    },
    /// Protect a volume: no copy may be started to it
    Protect {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// Protect it no longer
        #[arg(long)]
        off: bool,
    },
    /// Take the path between two arrays up or down, or disconnect them
    Path {
        /// An array
        one: String,
        /// Another one
        other: String,
        /// Its new state
        state: PathState,
    },
    /// Set the REC buffer from one array to another, which copies in consistency mode need
    Buffer {
        /// The array that sends
        from: String,
        /// The array that receives
        to: String,
        /// Its new state
        state: BufferState,
    },
    /// The BLAKE3 hash of a volume's data
    Fingerprint {
        /// The volume
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    /// Its name on the site
    pub name: Name,
    #[command(flatten)]
    pub driver: AddArguments,
    /// The site's name, if there is no configuration yet
    #[arg(long)]
    pub site: Option<Name>,
}

#[derive(Debug, Args)]
pub struct Set {
    /// The array
    pub array: String,
    /// The size of all sources that its copy table can record, as 10GiB; 0: no table is set; or `unlimited`
    #[arg(long, value_name = "SIZE", value_parser = limit_of_size)]
    pub copy_table: Option<Setting<Blocks>>,
    /// The sessions that it may have, or `unlimited`
    #[arg(long, value_name = "N", value_parser = limit_of_count)]
    pub sessions: Option<Setting<u32>>,
    /// The unit that differences are counted in, as 1MiB: a multiple of 64KiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub resolution: Option<Blocks>,
    /// How long the suspend of a remote copy continues after the answer, as 6s; 0s: not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub suspend_time: Option<std::time::Duration>,
    /// How long a new copy is only reserved (a one-point copy: readying) before it copies, as 2s; 0s: not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub start_time: Option<std::time::Duration>,
    /// How long a copy remains after its stop is answered, as 2s; 0s: not at all
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub stop_time: Option<std::time::Duration>,
    /// After how long the other array of a remote copy hears of a change, as 3s; 0s: at once
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub far_half_time: Option<std::time::Duration>,
    /// The transfer mode that it shows of a suspended remote copy: the one of its next resume, or the one in force while it
    /// is suspended, through
    #[arg(long, value_name = "WHICH")]
    pub suspended_mode: Option<SuspendedMode>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Create {
    /// The array's name
    pub array: String,
    /// Create volumes of this size, for example 48MiB; without it, only the array
    #[arg(long, value_parser = size)]
    pub size: Option<Blocks>,
    /// How many
    #[arg(long, default_value_t = 1, requires = "size")]
    pub count: u32,
    /// The number of a single one, as 0x21
    #[arg(long, requires = "size")]
    pub olu: Option<Olu>,
    /// The name that the array reports for them
    #[arg(long, default_value = "", hide_default_value = true, requires = "size", value_parser = label)]
    pub label: String,
    /// The identity that a new array reports: 40 characters
    #[arg(long)]
    pub box_id: Option<BoxId>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["text", "length", "scatter"]))]
pub struct Write {
    /// The volume
    #[arg(value_name = "ARRAY/0xOLU")]
    pub volume: String,
    /// The first byte, for example 4096 or 1MiB
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub offset: u64,
    /// These characters
    #[arg(long)]
    pub text: Option<String>,
    /// The number of bytes, made from the seed
    #[arg(long, value_parser = bytes)]
    pub length: Option<u64>,
    /// The number of writes of 4 KiB, at places from the seed
    #[arg(long)]
    pub scatter: Option<u32>,
    /// Another seed gives other bytes and places
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Workload {
    /// The volume
    #[arg(value_name = "ARRAY/0xOLU")]
    pub volume: String,
    /// Bytes a second, as 256KiB
    #[arg(long, value_parser = bytes, required_unless_present = "stop")]
    pub rate: Option<u64>,
    /// Another seed gives other bytes and places
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The first byte
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub from: u64,
    /// The byte after the last one; 0 is the end of the volume
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub to: u64,
    /// End it
    #[arg(long, conflicts_with = "rate")]
    pub stop: bool,
}

/// The faults that can be injected, by what they are about.
#[derive(Debug, Subcommand)]
pub enum FaultVerb {
    #[command(flatten)]
    OfBox(BoxFault),
    #[command(flatten)]
    OfPair(PairFault),
    /// A block of 512 bytes cannot be read, until a host overwrites it
    BadBlock {
        /// The volume
        #[arg(value_name = "0xOLU")]
        volume: Olu,
        /// Counted from 0
        block: u64,
    },
}

/// Of the whole array.
#[derive(Debug, Subcommand)]
pub enum BoxFault {
    /// The next commands are answered with "busy"
    Busy {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// The next commands are refused with a code that an array may answer with at any time
    Refuse {
        /// E0060 (locked), E5360 (repeat it), E5305 (a start: the source has a bad sector), E5200 (a start: no licence)
        #[arg(long, value_name = "CODE", value_parser = refused_with)]
        code: RefusedWith,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// The next commands never arrive
    LostRequest {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// The next commands are done, their answers are lost
    LostReply {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// The next commands are done, their answers are late
    LateReply {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
        /// By so many milliseconds
        #[arg(long, value_name = "MS", default_value_t = 5_000)]
        millis: u32,
    },
    /// The array does not answer
    Unreachable,
    /// Starts are refused: the copy table has no room
    CopyTableFull,
    /// The next suspends of remote copies are refused: the transfer buffer is late
    BufferLate {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1)]
        times: u32,
    },
    /// Every call takes longer
    Slow {
        /// By so many milliseconds
        #[arg(long, value_name = "MS")]
        millis: u32,
    },
    /// All faults of the array end; what they did to sessions stays
    Clear,
}

/// Of one session. SOURCE and TARGET are `0x21`, on this array, or `ARRAY/0x21`.
#[derive(Debug, Subcommand)]
pub enum PairFault {
    /// The session of two volumes goes into Error Suspend
    ErrorSuspend {
        /// Its source, on this array
        #[arg(value_name = "0xSOURCE")]
        source: String,
        /// Its target: 0x21 on this array, or ARRAY/0x21
        #[arg(value_name = "0xTARGET")]
        target: String,
        /// The error byte, as 0xBA
        #[arg(long, default_value = "0xBA", value_parser = byte)]
        code: u8,
    },
    /// The REC buffer cannot keep up: a REC in consistency mode is halted
    BufferOverrun {
        /// Its source, on this array
        #[arg(value_name = "0xSOURCE")]
        source: String,
        /// Its target on the other array
        #[arg(value_name = "ARRAY/0xTARGET")]
        target: String,
    },
    /// One half of a REC is gone
    HalfOpen {
        /// Its source, on this array
        #[arg(value_name = "0xSOURCE")]
        source: String,
        /// Its target on the other array
        #[arg(value_name = "ARRAY/0xTARGET")]
        target: String,
        /// The array that no longer has it
        #[arg(long)]
        missing: MissingSide,
    },
    /// The session of two volumes is reported with an unknown status word
    StrangeWord {
        /// Its source, on this array
        #[arg(value_name = "0xSOURCE")]
        source: String,
        /// Its target: 0x21 on this array, or ARRAY/0x21
        #[arg(value_name = "0xTARGET")]
        target: String,
        /// The word
        word: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MissingSide {
    Source,
    Target,
}

impl From<MissingSide> for Side {
    fn from(side: MissingSide) -> Self {
        match side {
            MissingSide::Source => Self::Source,
            MissingSide::Target => Self::Target,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ChosenRules {
    Documented,
    Lenient,
}

impl From<ChosenRules> for RuleSet {
    fn from(chosen: ChosenRules) -> Self {
        match chosen {
            ChosenRules::Documented => Self::Documented,
            ChosenRules::Lenient => Self::Lenient,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BufferState {
    /// Assigned and ready
    Active,
    /// None is assigned
    None,
    /// It is being assigned or taken away
    Changing,
}

impl From<BufferState> for RecBuffer {
    fn from(chosen: BufferState) -> Self {
        match chosen {
            BufferState::Active => Self::Active,
            BufferState::None => Self::None,
            BufferState::Changing => Self::Changing,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PathState {
    /// Connected: copies cross it
    Up,
    /// Connected, but lost: its copies are halted
    Down,
    /// Disconnected: neither array knows of the other
    None,
}

impl From<PathState> for WirePathState {
    fn from(state: PathState) -> Self {
        match state {
            PathState::Up => Self::Up,
            PathState::Down => Self::Down,
            PathState::None => Self::None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SuspendedMode {
    Configured,
    InForce,
}

/// A limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub Option<u64>);

fn rate(text: &str) -> Result<Rate, String> {
    if text == "none" { Ok(Rate(None)) } else { bytes(text).map(|bytes| Rate(Some(bytes))) }
}

/// Bytes, with or without an IEC unit: `4096`, `64KiB`, `48MiB`, `2GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        let why = if text.starts_with('-') { "is negative" } else { "does not begin with a digit" };
        return Err(format!("{text:?} {why}: write a whole number and a unit, as 48MiB"));
    }
    if unit.starts_with(['.', ',']) {
        return Err(format!("{text:?} is not a whole number: write it in the next smaller unit"));
    }
    let scale = match unit.trim_start() {
        "" | "B" => 1,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        "TiB" | "T" => 1_u64 << 40,
        _ => return Err(format!("{unit:?} is no unit: write B, KiB, MiB, GiB or TiB")),
    };
    let number: u64 = number.parse().map_err(|_| format!("{text:?} does not begin with a number of bytes"))?;
    number.checked_mul(scale).ok_or_else(|| format!("{text} is more bytes than can be counted"))
}

/// Arrays limit the names of their volumes too.
fn label(text: &str) -> Result<String, String> {
    const MAX_LABEL: usize = 64;
    if text.chars().count() <= MAX_LABEL {
        Ok(text.to_owned())
    } else {
        Err(format!("give at most {MAX_LABEL} characters"))
    }
}

fn size(text: &str) -> Result<Blocks, String> {
    let bytes = bytes(text)?;
    Blocks::from_bytes(bytes).ok_or_else(|| format!("{text} ends inside a block of 512 bytes"))
}

/// What has no limit.
const UNLIMITED: &str = "unlimited";

fn limit_of_size(text: &str) -> Result<Setting<Blocks>, String> {
    if text == UNLIMITED { Ok(Setting::Unlimited) } else { size(text).map(Setting::To) }
}

fn limit_of_count(text: &str) -> Result<Setting<u32>, String> {
    let count = || text.parse().map_err(|_| format!("{text:?} is no number: write a whole number, or {UNLIMITED}"));
    if text == UNLIMITED { Ok(Setting::Unlimited) } else { count().map(Setting::To) }
}

impl Set {
    /// What it changes.
    pub fn change(&self) -> SettingsChange {
        let millis = |time: std::time::Duration| Setting::To(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        SettingsChange {
            copy_table: self.copy_table,
            sessions: self.sessions,
            resolution: self.resolution,
            suspend_millis: self.suspend_time.map(millis),
            start_millis: self.start_time.map(millis),
            stop_millis: self.stop_time.map(millis),
            far_millis: self.far_half_time.map(millis),
            shows_mode_in_force: self.suspended_mode.map(|which| which == SuspendedMode::InForce),
        }
    }
}

fn refused_with(text: &str) -> Result<RefusedWith, String> {
    let found = RefusedWith::ALL.into_iter().find(|one| one.code().row().0 == text);
    found.ok_or_else(|| format!("{text:?} is none of the codes E0060, E5360, E5305 and E5200"))
}

fn byte(text: &str) -> Result<u8, String> {
    let wrong = || format!("{text:?} is no error byte: write it as 0xBA");
    let digits = text.strip_prefix("0x").ok_or_else(wrong)?;
    u8::from_str_radix(digits, 16).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_is_no_whole_number_is_refused_for_what_it_is() {
        for (text, why) in [
            ("-5MiB", "negative"),
            ("-", "negative"),
            ("", "digit"),
            ("MiB", "digit"),
            ("+5MiB", "digit"),
            ("1.5GiB", "whole number"),
            ("1,5GiB", "whole number"),
            ("5Mio", "unit"),
            ("99999999999999999999", "number"),
        ] {
            let error = bytes(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("48MiB"), Ok(48 << 20));
        assert_eq!(bytes("1 GiB"), Ok(1 << 30));
        for wrong in ["", "MiB", "-1", "1MB", "99999999999TiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size("1KiB"), Ok(Blocks(2)));
        assert!(size("100").is_err());
        assert_eq!(byte("0xba"), Ok(0xBA));
        assert!(byte("186").is_err());
    }
}
