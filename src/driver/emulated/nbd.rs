//! The NBD protocol as a server speaks it: fixed newstyle handshake, simple replies, flush and FUA.
//!
//! Source: "The NBD protocol" of the Network Block Device project (doc/proto.md). Belongs here: the bytes on the line.
//! Does not: what a read or a write does ([`Disk`]), sockets (`export`).

use std::io::{self, Read, Write};

const MAGIC: u64 = 0x4e42_444d_4147_4943;
const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;

/// Of the server: fixed newstyle, and no zeroes behind the old answer.
const HANDSHAKE: u16 = 0b11;
const CLIENT_NO_ZEROES: u32 = 0b10;
/// Has flags, flush, FUA, write zeroes.
const TRANSMISSION: u16 = 1 | 1 << 2 | 1 << 3 | 1 << 6;
const FUA: u16 = 1;

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_LIST: u32 = 3;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;

const REP_ACK: u32 = 1;
const REP_SERVER: u32 = 2;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUP: u32 = 1 << 31 | 1;
const REP_ERR_INVALID: u32 = 1 << 31 | 3;
const REP_ERR_UNKNOWN: u32 = 1 << 31 | 6;
const REP_ERR_TOO_BIG: u32 = 1 << 31 | 9;

const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

/// The longest read or write; the protocol's own recommendation.
pub const MAX_LENGTH: u32 = 32 << 20;
const MIN_BLOCK: u32 = 512;
const PREFERRED_BLOCK: u32 = 4096;
/// Bytes of an option: a name has at most 4,096.
const MAX_OPTION: u32 = 8 << 10;
/// Zeroes are written in pieces of this.
const ZEROES: usize = 1 << 20;

/// Why a request is not done, as the protocol numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum NbdError {
    NotPermitted = 1,
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
}

/// What is behind the line.
pub trait Disk {
    /// Bytes.
    fn size(&self) -> u64;
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), NbdError>;
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), NbdError>;
    /// Everything that was written before is durable when this returns.
    fn flush(&self) -> Result<(), NbdError>;
}

/// Serves one client until it leaves. `name`: what the export is called; the empty name means it too.
///
/// # Errors
/// The line broke, or the client does not follow the protocol.
pub fn serve(line: &mut (impl Read + Write), name: &str, disk: &dyn Disk) -> io::Result<()> {
    let mut hello = Vec::new();
    hello.extend(MAGIC.to_be_bytes());
    hello.extend(OPTION_MAGIC.to_be_bytes());
    hello.extend(HANDSHAKE.to_be_bytes());
    line.write_all(&hello)?;
    let no_zeroes = u32(line)? & CLIENT_NO_ZEROES != 0;
    if !options(line, name, disk, no_zeroes)? {
        return Ok(());
    }
    while request(line, disk)? {}
    Ok(())
}

/// Haggles until the client enters transmission (`true`) or leaves.
fn options(line: &mut (impl Read + Write), name: &str, disk: &dyn Disk, no_zeroes: bool) -> io::Result<bool> {
    loop {
        if u64(line)? != OPTION_MAGIC {
            return Err(broken("an option does not begin as the protocol says"));
        }
        let (option, length) = (u32(line)?, u32(line)?);
        if length > MAX_OPTION {
            io::copy(&mut Read::by_ref(line).take(length.into()), &mut io::sink())?;
            reply_option(line, option, REP_ERR_TOO_BIG, &[])?;
            continue;
        }
        let mut data = vec![0; length as usize];
        line.read_exact(&mut data)?;
        let is_ours = |asked: &[u8]| asked.is_empty() || asked == name.as_bytes();
        match option {
            // This one has no answer for a name that is not known.
            OPT_EXPORT_NAME if !is_ours(&data) => return Ok(false),
            OPT_EXPORT_NAME => {
                let mut answer = disk.size().to_be_bytes().to_vec();
                answer.extend(TRANSMISSION.to_be_bytes());
                if !no_zeroes {
                    answer.extend([0; 124]);
                }
                line.write_all(&answer)?;
                return Ok(true);
            }
            OPT_ABORT => {
                reply_option(line, option, REP_ACK, &[])?;
                return Ok(false);
            }
            OPT_LIST => {
                let mut entry = (name.len() as u32).to_be_bytes().to_vec();
                entry.extend(name.as_bytes());
                reply_option(line, option, REP_SERVER, &entry)?;
                reply_option(line, option, REP_ACK, &[])?;
            }
            OPT_INFO | OPT_GO => {
                let Some(asked) = asked_name(&data) else {
                    reply_option(line, option, REP_ERR_INVALID, &[])?;
                    continue;
                };
                if !is_ours(asked) {
                    reply_option(line, option, REP_ERR_UNKNOWN, &[])?;
                    continue;
                }
                let mut info = INFO_EXPORT.to_be_bytes().to_vec();
                info.extend(disk.size().to_be_bytes());
                info.extend(TRANSMISSION.to_be_bytes());
                reply_option(line, option, REP_INFO, &info)?;
                let mut sizes = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
                for size in [MIN_BLOCK, PREFERRED_BLOCK, MAX_LENGTH] {
                    sizes.extend(size.to_be_bytes());
                }
                reply_option(line, option, REP_INFO, &sizes)?;
                reply_option(line, option, REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(true);
                }
            }
            _ => reply_option(line, option, REP_ERR_UNSUP, &[])?,
        }
    }
}

/// The name in the data of INFO and GO: its length, itself, and the wishes that follow.
fn asked_name(data: &[u8]) -> Option<&[u8]> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let name = rest.get(..length)?;
    let (count, wishes) = rest[length..].split_first_chunk::<2>()?;
    (wishes.len() == usize::from(u16::from_be_bytes(*count)) * 2).then_some(name)
}

fn reply_option(line: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut reply = OPTION_REPLY_MAGIC.to_be_bytes().to_vec();
    reply.extend(option.to_be_bytes());
    reply.extend(kind.to_be_bytes());
    reply.extend((data.len() as u32).to_be_bytes());
    reply.extend(data);
    line.write_all(&reply)
}

/// Does one request; `false` when the client leaves.
fn request(line: &mut (impl Read + Write), disk: &dyn Disk) -> io::Result<bool> {
    let mut head = [0_u8; 28];
    match line.read_exact(&mut head) {
        // A client that just goes is as good as one that says so.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
        read => read?,
    }
    let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if word(0) != REQUEST_MAGIC {
        return Err(broken("a request does not begin as the protocol says"));
    }
    let flags = u16::from_be_bytes([head[4], head[5]]);
    let kind = u16::from_be_bytes([head[6], head[7]]);
    let offset = (u64::from(word(16)) << 32) | u64::from(word(20));
    let length = word(24);
    let mut answer = Vec::new();
    let done = match kind {
        0 => check(disk, offset, length, NbdError::Invalid).and_then(|()| {
            answer.resize(length as usize, 0);
            disk.read(offset, &mut answer)
        }),
        1 => {
            if length > MAX_LENGTH {
                return Err(broken("a write is longer than was agreed"));
            }
            let mut bytes = vec![0; length as usize];
            line.read_exact(&mut bytes)?;
            check(disk, offset, length, NbdError::NoSpace).and_then(|()| disk.write(offset, &bytes))
        }
        2 => return Ok(false),
        3 => disk.flush(),
        6 => check(disk, offset, length, NbdError::NoSpace).and_then(|()| zeroes(disk, offset, length)),
        _ => Err(NbdError::Invalid),
    };
    let done = if flags & FUA != 0 && matches!(kind, 1 | 6) { done.and_then(|()| disk.flush()) } else { done };
    let mut reply = REPLY_MAGIC.to_be_bytes().to_vec();
    reply.extend(done.map_or_else(|error| error as u32, |()| 0).to_be_bytes());
    reply.extend(&head[8..16]);
    if done.is_ok() {
        reply.extend(answer);
    }
    line.write_all(&reply)?;
    Ok(true)
}

fn check(disk: &dyn Disk, offset: u64, length: u32, outside: NbdError) -> Result<(), NbdError> {
    if length == 0
        || length > MAX_LENGTH
        || !offset.is_multiple_of(MIN_BLOCK.into())
        || !length.is_multiple_of(MIN_BLOCK)
    {
        return Err(NbdError::Invalid);
    }
    match offset.checked_add(length.into()) {
        Some(end) if end <= disk.size() => Ok(()),
        _ => Err(outside),
    }
}

fn zeroes(disk: &dyn Disk, offset: u64, length: u32) -> Result<(), NbdError> {
    let zeroes = vec![0; ZEROES.min(length as usize)];
    let mut at = 0;
    while at < u64::from(length) {
        let piece = zeroes.len().min((u64::from(length) - at) as usize);
        disk.write(offset + at, &zeroes[..piece])?;
        at += piece as u64;
    }
    Ok(())
}

fn u32(line: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    line.read_exact(&mut bytes)?;
    Ok(u32::from_be_bytes(bytes))
}

fn u64(line: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    line.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cell::RefCell;

    /// What a client says, and what it is answered.
    struct Line {
        said: io::Cursor<Vec<u8>>,
        answered: Vec<u8>,
    }

    impl Read for Line {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.said.read(into)
        }
    }

    impl Write for Line {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answered.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Memory(RefCell<Vec<u8>>);

    impl Disk for Memory {
        fn size(&self) -> u64 {
            self.0.borrow().len() as u64
        }

        fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), NbdError> {
            into.copy_from_slice(&self.0.borrow()[offset as usize..][..into.len()]);
            Ok(())
        }

        fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), NbdError> {
            self.0.borrow_mut()[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            Ok(())
        }

        fn flush(&self) -> Result<(), NbdError> {
            Ok(())
        }
    }

    fn said(said: Vec<u8>) -> (io::Result<()>, Vec<u8>) {
        let disk = Memory(RefCell::new(vec![7; 4096]));
        let mut line = Line { said: io::Cursor::new(said), answered: Vec::new() };
        let ended = serve(&mut line, "A1/0x1", &disk);
        (ended, line.answered)
    }

    fn option(option: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = OPTION_MAGIC.to_be_bytes().to_vec();
        bytes.extend(option.to_be_bytes());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        bytes
    }

    fn request(kind: u16, offset: u64, length: u32) -> Vec<u8> {
        let mut bytes = REQUEST_MAGIC.to_be_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend(*b"handle!!");
        bytes.extend(offset.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        bytes
    }

    /// The error of the last answer, which has no data.
    fn error_of(answered: &[u8]) -> u32 {
        let reply = &answered[answered.len() - 16..];
        assert_eq!((&reply[..4], &reply[8..]), (&REPLY_MAGIC.to_be_bytes()[..], &b"handle!!"[..]));
        u32::from_be_bytes([reply[4], reply[5], reply[6], reply[7]])
    }

    #[test]
    fn what_a_client_must_not_do_is_an_error_of_the_protocol() {
        let enter = [vec![0, 0, 0, 3], option(OPT_EXPORT_NAME, b"")].concat();
        for (kind, offset, length, expected) in [
            (0, 0, 1, 22),
            (0, 1, 512, 22),
            (0, 4096, 512, 22),
            (0, u64::MAX - 511, 512, 22),
            (0, 0, 0, 22),
            (6, 4096, 512, 28),
            (6, 0, 4096, 0),
            (4, 0, 512, 22),
            (3, 0, 0, 0),
        ] {
            let (ended, answered) = said([enter.clone(), request(kind, offset, length)].concat());
            ended.unwrap();
            assert_eq!(error_of(&answered), expected, "{kind} {offset} {length}");
        }
        let (ended, _) = said([enter.clone(), vec![1; 28]].concat());
        assert!(ended.is_err());
        let (ended, _) = said([enter, request(1, 0, MAX_LENGTH + 512)].concat());
        assert!(ended.is_err());
    }

    #[test]
    fn an_unknown_name_and_an_unknown_option_are_refused_and_the_client_may_go_on() {
        let go = |name: &[u8]| {
            let mut data = (name.len() as u32).to_be_bytes().to_vec();
            data.extend(name);
            data.extend([0, 0]);
            option(OPT_GO, &data)
        };
        let (ended, answered) =
            said([vec![0, 0, 0, 3], go(b"A1/0x2"), option(8, b""), go(b"A1/0x1"), request(0, 0, 512)].concat());
        ended.unwrap();
        let kinds: Vec<u32> = answered
            .windows(20)
            .filter(|window| window[..8] == OPTION_REPLY_MAGIC.to_be_bytes())
            .map(|window| u32::from_be_bytes([window[12], window[13], window[14], window[15]]))
            .collect();
        assert_eq!(kinds, [REP_ERR_UNKNOWN, REP_ERR_UNSUP, REP_INFO, REP_INFO, REP_ACK]);
        assert_eq!(&answered[answered.len() - 512..], &[7; 512]);
        // The oldest way in has no answer for a wrong name: the line ends.
        assert_eq!(said([vec![0, 0, 0, 3], option(OPT_EXPORT_NAME, b"x")].concat()).1.len(), 18);
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), enters in any::<bool>()) {
            let start = if enters { [vec![0, 0, 0, 3], option(OPT_EXPORT_NAME, b"")].concat() } else { vec![0, 0, 0, 3] };
            let _ = said([start, bytes].concat());
        }
    }
}
