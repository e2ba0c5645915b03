//! Volumes as hosts reach them, over NBD: a small client, and where they are installed the kernel's own block devices.

use super::super::array_lab::{Lab, by_ccm};
use super::super::needs;
use crate::block_devices::{Undo, block_device, copied_regions, export, run};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

const EPERM: u32 = 1;

/// A client of one export.
struct Client {
    line: UnixStream,
    size: u64,
}

impl Client {
    fn open(socket: &Path, name: &str) -> Self {
        let mut line = UnixStream::connect(socket).unwrap();
        let mut hello = [0; 18];
        line.read_exact(&mut hello).unwrap();
        assert_eq!(&hello[..16], b"NBDMAGICIHAVEOPT");
        line.write_all(&3_u32.to_be_bytes()).unwrap();
        // EXPORT_NAME
        line.write_all(b"IHAVEOPT").unwrap();
        line.write_all(&1_u32.to_be_bytes()).unwrap();
        line.write_all(&(name.len() as u32).to_be_bytes()).unwrap();
        line.write_all(name.as_bytes()).unwrap();
        let mut answer = [0; 10];
        line.read_exact(&mut answer).unwrap();
        Self { line, size: u64::from_be_bytes(answer[..8].try_into().unwrap()) }
    }

    fn ask(&mut self, kind: u16, offset: u64, length: u32, data: &[u8], answer: &mut [u8]) -> Result<(), u32> {
        let mut request = 0x2560_9513_u32.to_be_bytes().to_vec();
        request.extend(0_u16.to_be_bytes());
        request.extend(kind.to_be_bytes());
        request.extend(*b"12345678");
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        request.extend(data);
        self.line.write_all(&request).unwrap();
        let mut reply = [0; 16];
        self.line.read_exact(&mut reply).unwrap();
        assert_eq!(&reply[8..], b"12345678");
        match u32::from_be_bytes(reply[4..8].try_into().unwrap()) {
            0 => {
                self.line.read_exact(answer).unwrap();
                Ok(())
            }
            error => Err(error),
        }
    }

    fn read(&mut self, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.ask(0, offset, length as u32, &[], &mut bytes).unwrap();
        bytes
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), u32> {
        self.ask(1, offset, bytes.len() as u32, bytes, &mut [])?;
        self.ask(3, 0, 0, &[], &mut [])
    }
}

#[test]
fn a_host_reads_and_writes_a_volume_and_every_write_is_mirrored_or_tracked() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "suspend");
    let mut host = Client::open(&export(&lab, "A1/0x1"), "A1/0x1");
    assert_eq!(host.size, 4 << 20);
    host.write(65_536, &[1; 4096]).unwrap();
    assert_eq!(host.read(65_536, 4096), [1; 4096]);
    lab.synchronize("t1");
    // While equivalent: on both sides.
    host.write(131_072, &[2; 512]).unwrap();
    assert_eq!(lab.bytes("A1/0x1"), lab.bytes("A1/0x21"));
    // The target of a running copy takes no host's writes.
    let mut backup = Client::open(&export(&lab, "A1/0x21"), "");
    assert_eq!(backup.write(0, &[9; 512]), Err(EPERM));
    lab.back_up("t1");
    // Afterwards it does: post-processing rewrites the label of the copy's volume group, in the first region.
    let before = copied_regions(&lab, "A1/0x21");
    backup.write(512, &[9; 512]).unwrap();
    assert_ne!(lab.bytes("A1/0x1"), lab.bytes("A1/0x21"));
    // That is a change: the next resume copies it over, and nothing else.
    lab.run("history delete t1 --version 1 --yes --confirm A1/0x21").ends(0);
    assert_eq!(lab.synchronize("t1"), "resume");
    assert_eq!(copied_regions(&lab, "A1/0x21") - before, 1);
    assert_eq!(lab.bytes("A1/0x1"), lab.bytes("A1/0x21"));
}

#[test]
fn an_export_is_seen_is_one_a_volume_and_ends() {
    let lab = Lab::new();
    lab.volume("A1", 1, 1);
    let socket = export(&lab, "A1/0x1");
    let volumes = lab.json("array volumes A1");
    assert_eq!(volumes["volumes"][0]["export"], socket.to_str().unwrap());
    let other = lab.path().join("other");
    let again = lab.run(&format!("array export A1/0x1 --socket {}", other.display()));
    assert!(again.ends(2).err.contains("exported already"));
    std::fs::write(&other, "mine").unwrap();
    lab.volume("A1", 2, 1);
    let taken = lab.run(&format!("array export A1/0x2 --socket {}", other.display()));
    assert!(taken.ends(2).err.contains("something is there already"));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    let mut client = Client::open(&socket, "");
    lab.run("array export A1/0x1 --stop").ends(0);
    assert!(!socket.exists());
    let mut end = [0];
    assert!(matches!(client.line.read(&mut end), Ok(0) | Err(_)));
    assert!(lab.run("array export A1/0x1 --stop").ends(2).err.contains("is not exported"));
    // One that a killed process left is replaced.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    export(&lab, "A1/0x1");
}

#[test]
fn the_kernel_makes_a_file_system_on_an_exported_volume_and_its_backup_is_one_too() {
    if by_ccm() {
        return;
    }
    for what in ["root", "mkfs.ext4", "e2fsck"] {
        if needs::needs(what).is_none() {
            return;
        }
    }
    let lab = Lab::of(1, 1, 16);
    lab.policy("t1", 1, "suspend");
    let mut undo = Undo::default();
    let Some(device) = block_device(&lab, "A1/0x1", "off", &mut undo) else { return };
    run(&["mkfs.ext4", "-q", &device]);
    let place = lab.path().join("mnt");
    std::fs::create_dir(&place).unwrap();
    run(&["mount", &device, place.to_str().unwrap()]);
    undo.commands.push(vec!["umount".to_owned(), place.to_str().unwrap().to_owned()]);
    lab.synchronize("t1");
    std::fs::write(place.join("file"), "kept").unwrap();
    run(&["fsfreeze", "-f", place.to_str().unwrap()]);
    undo.commands.push(vec!["fsfreeze".to_owned(), "-u".to_owned(), place.to_str().unwrap().to_owned()]);
    let backup = lab.run("backup t1 --yes");
    run(&["fsfreeze", "-u", place.to_str().unwrap()]);
    undo.commands.pop();
    backup.ends(0);
    let copy = lab.path().join("copy");
    std::fs::write(&copy, lab.bytes("A1/0x21")).unwrap();
    run(&["e2fsck", "-fn", copy.to_str().unwrap()]);
    let found = run(&["debugfs", "-R", "cat /file", copy.to_str().unwrap()]);
    assert_eq!(found, "kept");
}
