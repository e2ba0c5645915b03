//! Copies of others into a transaction volume, on real bytes: what the engine permits then the array permits as well.

use super::array_lab::Lab;
use ecdeck::driver::Driver;
use ecdeck::driver::emulated::driver::Embedded;
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::session::{CopyKind, Pair};
use std::time::Duration;

/// Another program, which knows the array only.
struct Other {
    array: Embedded,
    runtime: tokio::runtime::Runtime,
}

impl Other {
    fn of(lab: &Lab) -> Self {
        Self {
            array: Embedded::new(lab.home(), "A1".to_owned(), false),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
        }
    }

    fn pair(&self, source: u32, target: u32) -> Pair {
        let box_id = self.runtime.block_on(self.array.identify()).unwrap().box_id;
        let id = |olu: u32| VolumeId { box_id, olu: Olu(olu) };
        Pair::new(id(source), id(target))
    }

    /// `done`, or the code of the refusal.
    fn send(&self, command: Command) -> String {
        let outcomes = self.runtime.block_on(self.array.execute(command, Duration::from_secs(20)));
        match &outcomes[0].outcome {
            Outcome::Done | Outcome::AlreadyDone => "done".to_owned(),
            Outcome::Refused(refusal) => refusal.code.clone(),
            outcome => panic!("{outcome:?}"),
        }
    }

    fn start(&self, pair: Pair) -> String {
        let pairs = vec![pair];
        self.send(if pair.kind == CopyKind::Opc {
            Command::StartOpc { pairs }
        } else {
            Command::Start { pairs, modes: None }
        })
    }
}

/// `t1` synchronized to 0x21, and 0x31, which another program uses.
fn synchronized() -> (Lab, Other) {
    let lab = Lab::of(1, 2, 4);
    lab.volume("A1", 0x31, 4);
    lab.run("array write A1/0x1 --seed 1 --length 4MiB").ends(0);
    lab.run("array write A1/0x31 --seed 2 --length 4MiB").ends(0);
    lab.policy("t1", 1, "suspend");
    lab.synchronize("t1");
    let other = Other::of(&lab);
    (lab, other)
}

#[test]
fn a_one_point_copy_of_others_into_a_volume_is_waited_for() {
    let (lab, other) = synchronized();
    lab.run("array rate 512KiB").ends(0);
    let (copy, ours) = (Pair { kind: CopyKind::Opc, ..other.pair(0x31, 1) }, other.pair(1, 0x21));
    assert_eq!(other.start(copy), "done");
    let status = lab.wait_for_state("t1", "inbound");
    assert_eq!(lab.entry(&status, "t1")["ready"], false);
    assert_eq!(status["sessions"].as_array().unwrap().len(), 2, "{status:#}");
    // The engine refuses what the array refuses.
    lab.refused("backup t1 --yes", "ecd-1301");
    lab.refused("sync suspend t1 --yes", "ecd-1309");
    for force in [false, true] {
        let suspend = Command::Suspend { pairs: vec![ours], force, together: false };
        assert_eq!(other.send(suspend), "E5321");
    }
    assert!(lab.kill_arrays());
    lab.wait_for_state("t1", "inbound");
    lab.run("array rate none").ends(0);
    lab.run("array write A1/0x1 --offset 1MiB --text later").ends(0);
    lab.wait_for_state("t1", "equivalent");
    lab.back_up("t1");
    let kept = lab.bytes(&lab.kept("t1")[0].1);
    assert!(kept == lab.bytes("A1/0x1") && kept != lab.bytes("A1/0x31"));
    let mut expected = lab.bytes("A1/0x31");
    expected[1 << 20..][..5].copy_from_slice(b"later");
    assert!(kept == expected);
}

#[test]
fn a_mirror_of_others_onto_a_volume_blocks_it_while_it_is_live() {
    let (lab, other) = synchronized();
    let mirror = other.pair(0x31, 1);
    assert_eq!(other.start(mirror), "done");
    let status = lab.wait_for("both equivalent", |status| {
        let sessions = status["sessions"].as_array().unwrap();
        sessions.len() == 2 && sessions.iter().all(|session| session["phase"] == "equivalent")
    });
    assert_eq!(lab.entry(&status, "t1")["state"], "inbound", "{status:#}");
    lab.refused("backup t1 --yes", "ecd-1407");
    // What a host writes to the first volume reaches the last one.
    lab.run("array write A1/0x31 --offset 2MiB --text through").ends(0);
    let all_equal = |_: &serde_json::Value| lab.bytes("A1/0x31") == lab.bytes("A1/0x21");
    lab.wait_for("three equal volumes", all_equal);
    assert_eq!(other.start(other.pair(0x21, 0x22)), "E5318");
    assert_eq!(other.start(other.pair(0x21, 0x31)), "E5316");
    let suspend = Command::Suspend { pairs: vec![mirror], force: false, together: false };
    assert_eq!(other.send(suspend), "done");
    lab.wait_for_state("t1", "equivalent");
    lab.back_up("t1");
    assert!(lab.bytes(&lab.kept("t1")[0].1) == lab.bytes("A1/0x31"));
    // Suspended with a generation, it is no part of what is copied into its source.
    assert_eq!(other.send(Command::Resume { pairs: vec![mirror] }), "done");
    lab.wait_for_state("t1", "inbound");
    lab.refused("sync start t1 --yes", "ecd-1407");
    lab.run("array write A1/0x31 --offset 3MiB --text not-kept").ends(0);
    lab.wait_for("the first two", |_| lab.bytes("A1/0x31") == lab.bytes("A1/0x1"));
    assert!(lab.bytes(&lab.kept("t1")[0].1) != lab.bytes("A1/0x31"));
    assert_eq!(other.send(Command::Stop { pairs: vec![mirror], force: true }), "done");
    lab.wait_for_state("t1", "suspended");
    lab.run("history delete t1 --version 1 --yes --confirm A1/0x21").ends(0);
    assert_eq!(lab.synchronize("t1"), "resume");
    assert!(lab.bytes("A1/0x1") == lab.bytes("A1/0x21"));
}

#[test]
fn a_copy_of_others_out_of_a_backup_volume_keeps_its_moment() {
    let (lab, other) = synchronized();
    let (out, mirror) = (Pair { kind: CopyKind::Opc, ..other.pair(0x21, 0x31) }, other.pair(0x22, 0x31));
    let wanted = lab.bytes("A1/0x21");
    lab.run("array rate 512KiB").ends(0);
    assert_eq!(other.start(out), "done");
    assert_eq!(other.start(mirror), "E5315");
    for text in ["one", "two"] {
        lab.run(&format!("array write A1/0x1 --offset 1MiB --text {text}")).ends(0);
    }
    lab.wait_for_state("t1", "equivalent");
    lab.back_up("t1");
    lab.run("array rate none").ends(0);
    lab.wait_for("the end of the copy", |status| status["sessions"].as_array().unwrap().len() == 1);
    assert!(lab.bytes("A1/0x31") == wanted && lab.bytes("A1/0x21") != wanted);
}
