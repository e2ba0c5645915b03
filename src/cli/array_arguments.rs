//! What can be typed after `ecdeck array`: the embedded arrays and their administration.

use crate::driver::emulated::admin::Side;
use crate::model::identity::{BoxId, Name, Olu};
use crate::model::units::Blocks;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum ArrayVerb {
    /// The embedded arrays of this home, and their process
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Their volumes, with the image files
    ///
    /// Writing into an image file past the array is not tracked: a resume would not copy it. Use `array write`.
    Volumes {
        /// Only those of this array
        array: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add a real array, by CCM, to the configuration: the host key is shown, CCM asked, everything tested
    Add(Add),
    /// Look at everything between here and a real array, with what to do about what is wrong
    Doctor {
        array: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run the embedded arrays in the foreground, as a service manager does
    Serve {
        /// Started by a command: says when it is ready, ends when it has been idle for a while
        #[arg(long, hide = true)]
        detached: bool,
    },
    /// Start the process of the embedded arrays
    Start,
    /// End it cleanly; copies go on when it is started again
    Stop,
    /// Make an array, or volumes in one
    Create(Create),
    /// Copy a file into a volume, from its beginning on
    Import {
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        file: PathBuf,
    },
    /// Write into a volume as a host does
    Write(Write),
    /// Let a host write on and on, at places that follow from a seed
    Workload(Workload),
    /// How fast copies go
    Rate {
        /// Bytes a second of each copy, as 4MiB, or `none`
        #[arg(value_parser = rate)]
        rate: Rate,
        /// Only the copy of these two volumes
        #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
        of: Option<Vec<String>>,
    },
    /// Make something go wrong, until it is cleared; without a fault, show those that there are
    Fault {
        array: Option<String>,
        /// The list as one JSON object
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        fault: Option<FaultVerb>,
    },
    /// Take the path between two arrays up or down
    Path { one: String, other: String, state: PathState },
    /// BLAKE3 of a volume's bytes
    Fingerprint {
        #[arg(value_name = "ARRAY/0xOLU")]
        volume: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Add {
    /// How people will call it
    pub name: Name,
    /// The machine that has CCM; without it, this one
    #[arg(long)]
    pub host: Option<String>,
    #[arg(long, requires = "host")]
    pub user: Option<String>,
    #[arg(long, requires = "host")]
    pub port: Option<u16>,
    /// A private key file, instead of the agent's keys
    #[arg(long, requires = "host")]
    pub identity: Option<PathBuf>,
    /// Instead of ~/.ssh/config
    #[arg(long, requires = "host")]
    pub ssh_config: Option<PathBuf>,
    /// The host key that was confirmed on another way: SHA256:...
    #[arg(long, requires = "host", conflicts_with = "known")]
    pub fingerprint: Option<String>,
    /// The host key is known to ssh already
    #[arg(long, requires = "host")]
    pub known: bool,
    /// CCM's commands need `sudo -n`
    #[arg(long)]
    pub sudo: bool,
    /// The folder of CCM's commands, where the PATH does not have it
    #[arg(long)]
    pub directory: Option<String>,
    /// The array's name in CCM, where CCM knows several
    #[arg(long)]
    pub array: Option<Name>,
    /// The site's name, where there is no configuration yet
    #[arg(long)]
    pub site: Option<Name>,
}

#[derive(Debug, Args)]
pub struct Create {
    pub array: String,
    /// Make volumes of this size, as 48MiB; without it only the array
    #[arg(long, value_parser = size)]
    pub size: Option<Blocks>,
    /// How many
    #[arg(long, default_value_t = 1, requires = "size")]
    pub count: u32,
    /// The number of a single one, as 0x21
    #[arg(long, requires = "size")]
    pub olu: Option<Olu>,
    #[arg(long, default_value = "", requires = "size")]
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
    #[arg(value_name = "ARRAY/0xOLU")]
    pub volume: String,
    /// From this byte on, as 4096 or 1MiB
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub offset: u64,
    #[arg(long)]
    pub text: Option<String>,
    /// So many bytes that follow from the seed
    #[arg(long, value_parser = bytes)]
    pub length: Option<u64>,
    /// So many writes of 4 KiB at places that follow from the seed
    #[arg(long)]
    pub scatter: Option<u32>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
pub struct Workload {
    #[arg(value_name = "ARRAY/0xOLU")]
    pub volume: String,
    /// Bytes a second, as 256KiB
    #[arg(long, value_parser = bytes, required_unless_present = "stop")]
    pub rate: Option<u64>,
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// From this byte on
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub from: u64,
    /// To before this one; 0 is the volume's end
    #[arg(long, default_value = "0", value_parser = bytes)]
    pub to: u64,
    /// End it
    #[arg(long, conflicts_with = "rate")]
    pub stop: bool,
}

#[derive(Debug, Subcommand)]
pub enum FaultVerb {
    /// The next commands are answered with "busy"
    Busy {
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// The next commands never arrive
    LostRequest {
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// The next commands are done, their answers are lost
    LostReply {
        #[arg(long, default_value_t = 1)]
        times: u32,
    },
    /// The next commands are done, their answers are late
    LateReply {
        #[arg(long, default_value_t = 1)]
        times: u32,
        #[arg(long, default_value_t = 5_000)]
        millis: u32,
    },
    /// A session goes into Error Suspend
    ErrorSuspend {
        source: String,
        target: String,
        /// The error byte, as 0xBA
        #[arg(long, default_value = "0xBA", value_parser = byte)]
        code: u8,
    },
    /// A block of 512 bytes cannot be read, until a host overwrites it
    BadBlock {
        #[arg(value_name = "0xOLU")]
        volume: Olu,
        block: u64,
    },
    /// One half of a REC is gone
    HalfOpen {
        source: String,
        target: String,
        #[arg(long)]
        missing: MissingSide,
    },
    /// A session is reported with a status word that nobody knows
    StrangeWord { source: String, target: String, word: String },
    /// The array does not answer
    Unreachable,
    /// Starts are refused: the copy table has no room
    CopyTableFull,
    /// Every call takes so much longer
    Slow {
        #[arg(long)]
        millis: u32,
    },
    /// All faults of the array end; sessions that they stopped stay as they are
    Clear,
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
pub enum PathState {
    Up,
    Down,
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

fn size(text: &str) -> Result<Blocks, String> {
    let bytes = bytes(text)?;
    Blocks::from_bytes(bytes).ok_or_else(|| format!("{text} ends inside a block of 512 bytes"))
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
