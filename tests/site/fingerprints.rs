//! Fingerprints of generations on real bytes: made in the background, only what changed is read again, and a byte that was
//! changed behind the array's back is found.

use super::array_lab::Lab;
use serde_json::Value;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

const MIB: u64 = 1 << 20;

pub fn generation(lab: &Lab, version: u64) -> Value {
    let history = lab.json("history t1");
    let all = history["generations"].as_array().unwrap();
    all.iter().find(|generation| generation["version"] == version).unwrap().clone()
}

/// Waits until the newest sound generation of t1 has its fingerprint.
pub fn fingerprinted(lab: &Lab, version: u64) -> Value {
    lab.wait_for("a fingerprint", |status| {
        let entry = lab.entry(status, "t1");
        entry["recovery_point"]["version"] == version && entry["recovery_point_bytes"] == "fingerprinted"
    });
    generation(lab, version)["fingerprint"].clone()
}

/// How many MiB were read for the fingerprint of a version.
fn read(lab: &Lab, version: u64) -> u64 {
    let exported = lab.run("audit export").ends(0).out;
    let events = exported.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |event: &Value| event.to_string();
    let wanted = format!("\"version\":{version}");
    let made = events
        .map(|event| text(&event))
        .find(|event| event.contains("generation-fingerprinted") && event.contains(&wanted));
    let made = made.unwrap_or_else(|| panic!("{exported}"));
    let (_, rest) = made.split_once("\"read\":").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

/// Changes one byte of a volume's image past the array.
pub fn flip(lab: &Lab, place: &str, offset: u64) {
    let image = OpenOptions::new().read(true).write(true).open(lab.image(place)).unwrap();
    let mut byte = [0];
    image.read_exact_at(&mut byte, offset).unwrap();
    image.write_all_at(&[!byte[0]], offset).unwrap();
}

#[test]
fn a_generation_is_fingerprinted_and_only_changes_are_read_again() {
    let lab = Lab::of(1, 1, 12);
    lab.run("policy set t1 --generations 1 --interval 1 --mode suspend --min-interval 0s --floor 1 --reuse-oldest --confirm t1 --yes").ends(0);
    lab.run("array write A1/0x1 --scatter 200 --seed 5").ends(0);
    lab.synchronize("t1");
    lab.back_up("t1");
    let first = fingerprinted(&lab, 1);
    assert_eq!(first["blake3"], blake3::hash(&lab.bytes("A1/0x21")).to_hex().as_str(), "as b3sum would say");
    assert_eq!(read(&lab, 1), 12);
    lab.run("array write A1/0x1 --offset 3MiB --length 64KiB --seed 6").ends(0);
    lab.run("array write A1/0x1 --offset 7MiB --length 64KiB --seed 7").ends(0);
    lab.run("sync start t1 --wait --yes").ends(0);
    lab.back_up("t1");
    let second = fingerprinted(&lab, 2);
    assert_eq!(second["blake3"], blake3::hash(&lab.bytes("A1/0x21")).to_hex().as_str());
    assert_eq!(read(&lab, 2), 2, "the two MiB that were written");
    // The array's memory of what changed ends with it: then all is read.
    lab.run("array stop").ends(0);
    lab.run("sync start t1 --wait --yes").ends(0);
    lab.back_up("t1");
    fingerprinted(&lab, 3);
    assert_eq!(read(&lab, 3), 12);
    lab.run("audit verify").ends(0);
}

#[test]
fn a_changed_byte_is_found_and_the_doubt_ends_with_it() {
    let lab = Lab::of(1, 2, 12);
    lab.policy("t1", 2, "suspend");
    lab.run("array write A1/0x1 --scatter 200 --seed 5").ends(0);
    lab.synchronize("t1");
    lab.back_up("t1");
    fingerprinted(&lab, 1);
    let ran = lab.run("history verify t1").ends(0);
    assert!(ran.out.contains("v1 of t1 is verified: the same bytes"), "{ran:?}");
    assert!(lab.run("history t1").ends(0).out.contains("verified on "));
    flip(&lab, "A1/0x21", 5 * MIB + 77);
    let found = lab.run("history verify t1 --version 1 --json").ends(1).json();
    let entry = &found["verified"][0];
    assert_eq!((&entry["outcome"], &entry["differs"]), (&"differs".into(), &"MiB 5".into()), "{found:#}");
    assert_eq!(generation(&lab, 1)["state"], "in-doubt");
    // Nobody takes it for a backup meanwhile, and the doubt stays for as long as the bytes are others.
    assert_eq!(lab.entry(&lab.status(), "t1")["recoverable"], "in-doubt");
    flip(&lab, "A1/0x21", 9 * MIB);
    let ran = lab.run("history verify").ends(1);
    assert!(ran.out.contains("differs in MiB 5, 9"), "{ran:?}");
    flip(&lab, "A1/0x21", 5 * MIB + 77);
    flip(&lab, "A1/0x21", 9 * MIB);
    let ran = lab.run("history verify t1").ends(0);
    assert!(ran.out.contains("no longer in doubt"), "{ran:?}");
    assert_eq!(generation(&lab, 1)["state"], "valid");
    assert_eq!(lab.entry(&lab.status(), "t1")["recovery_point_bytes"], "verified");
    lab.refused("history verify t1 --version 9", "ecd-1111");
    lab.run("audit verify").ends(0);
}
