//! CCM's commands, as the emulation offers them, down to the bytes of the embedded array: real processes on both sides.

use super::setting::{REGION, Setting};
use crate::test_site::InTime;
use ecdeck::model::session::{Automation, CopyKind, Pair, RecModes, TransferMode};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

struct Ccm<'a> {
    setting: &'a Setting,
    folder: PathBuf,
}

impl<'a> Ccm<'a> {
    /// Links for the commands, and groups with one pair each: `E`, `R` and `O`.
    fn new(setting: &'a Setting) -> Self {
        let folder = setting.test_site.path().join("ccm-commands");
        let install = Command::new(env!("CARGO_BIN_EXE_ccm-emulation"))
            .arg("install")
            .args([&folder, setting.test_site.path()])
            .in_time();
        assert!(install.status.success(), "{install:?}");
        let ccm = Self { setting, folder };
        for (group, arrays, pair) in [
            ("E -type EC", "-a ONE", "ONE/0x0:ONE/0x1"),
            ("R -type REC", "-a ONE -a TWO", "ONE/0x2:TWO/0x0"),
            ("O -type OPC", "-a ONE", "ONE/0x2:ONE/0x3"),
        ] {
            ccm.run(&format!("acgroup create -g {group} {arrays}"), 0);
            ccm.run(&format!("acpair add -g {} -p {pair}", &group[..1]), 0);
        }
        ccm
    }

    /// What the command says; it must end like this.
    #[track_caller]
    fn run(&self, line: &str, exit: i32) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        let output = Command::new(self.folder.join(words[0])).args(&words[1..]).in_time();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{line}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Until a query shows it.
    #[track_caller]
    fn wait(&self, query: &str, wanted: &str) -> String {
        let deadline = Instant::now() + crate::test_site::DEADLINE;
        loop {
            let said = self.run(query, 0);
            if said.contains(wanted) {
                return said;
            }
            assert!(Instant::now() < deadline, "{wanted} did not come true: {said}");
        }
    }

    fn write(&self, volume: &str, text: &str) {
        let line = format!("array write {volume} --offset {} --text {text}", 7 * REGION);
        self.setting.test_site.run(&line).ends(0);
    }
}

#[tokio::test]
async fn acec_reverse_turns_real_bytes_and_back() {
    let setting = Setting::new().await;
    let ccm = Ccm::new(&setting);
    for (group, pair, back, target) in [
        ("E", setting.pair("ONE/0x0", "ONE/0x1").await, "ONE/0x1:ONE/0x0", "ONE/0x1"),
        ("R", setting.pair("ONE/0x2", "TWO/0x0").await, "TWO/0x0:ONE/0x2", "TWO/0x0"),
    ] {
        let (query, modes) = (format!("acec query -g {group}"), if group == "R" { " -transfer sync" } else { "" });
        ccm.run(&format!("acec start -g {group}{modes}"), 0);
        ccm.wait(&query, "\"Paired\"");
        assert!(ccm.run(&format!("acec reverse -g {group}"), 6).contains("E5321"), "only while it is suspended");
        ccm.run(&format!("acec suspend -g {group}"), 0);
        ccm.write(target, "reversed");
        assert!(ccm.run(&format!("acec reverse -g {group}"), 0).contains("<< EC Change >>"));
        assert!(
            ccm.run(&format!("acec reverse -g {group}"), 6).contains("E5330"),
            "a repeated one does not turn it back"
        );
        assert!(ccm.run(&query, 0).contains("<=="));
        let wanted = setting.bytes(pair.target).await;
        ccm.run(&format!("acec start -g {group}{modes}"), 0);
        ccm.wait(&query, "\"Paired\"");
        assert!(setting.bytes(pair.source).await == wanted);
        ccm.run(&format!("acec suspend -g {group}"), 0);
        ccm.run(&format!("acec reverse -g {group} -p {back}"), 0);
        assert!(ccm.run(&query, 0).contains("==>"));
        ccm.run(&format!("acec cancel -g {group}"), 0);
    }
}

#[tokio::test]
async fn acec_change_changes_what_it_names_and_what_the_array_adds() {
    let setting = Setting::new().await;
    let ccm = Ccm::new(&setting);
    let pair = setting.pair("ONE/0x2", "TWO/0x0").await;
    ccm.run("acec start -g R -transfer sync -split manual -recovery manual", 0);
    ccm.wait("acec query -g R", "\"Paired\"");
    assert!(ccm.run("acec change -g R -transfer stack", 6).contains("E5321"), "only while it is suspended");
    ccm.run("acec suspend -g R", 0);
    for wrong in ["-g R", "-g R -split auto", "-g E -recovery auto", "-g R -transfer slow"] {
        assert!(ccm.run(&format!("acec change {wrong}"), 1).contains("ccm1001"), "{wrong}");
    }
    let modes = |transfer, split, recovery| Some(RecModes { transfer, split, recovery });
    let (auto, manual) = (Automation::Automatic, Automation::Manual);
    for (options, wanted) in [
        ("-recovery auto", modes(TransferMode::Synchronous, manual, auto)),
        // Split is manual after a change from synchronous to another transfer.
        ("-transfer consist", modes(TransferMode::Consistency, manual, auto)),
        ("-transfer sync -split manual", modes(TransferMode::Synchronous, manual, auto)),
    ] {
        assert!(ccm.run(&format!("acec change -g R {options}"), 0).contains("<< EC Change >>"));
        assert_eq!(setting.reading(&pair).await.unwrap().modes, wanted, "{options}");
    }
}

#[tokio::test]
async fn acopc_makes_a_copy_of_a_moment_and_cancels_one() {
    let setting = Setting::new().await;
    let ccm = Ccm::new(&setting);
    let pair = Pair { kind: CopyKind::Opc, ..setting.pair("ONE/0x2", "ONE/0x3").await };
    let moment = setting.bytes(pair.source).await;
    assert!(ccm.run("acopc query -g O", 0).contains("\"OPC action not startup\""));
    setting.rate(Some(1 << 20)).await;
    assert!(ccm.run("acopc start -g O", 0).contains("<< OPC Started >>"));
    let said = ccm.run("acopc query -g O", 0);
    assert!(said.contains("\"OPC Executing\"") && said.contains("\"Copying\""), "{said}");
    assert!(ccm.run("acopc start -g O", 6).contains("ccm4014"));
    ccm.write("ONE/0x2", "later");
    setting.rate(None).await;
    ccm.wait("acopc query -g O", "\"OPC action not startup\"");
    assert!(setting.bytes(pair.target).await == moment);
    assert!(ccm.run("acopc cancel -g O", 6).contains("ccm4012"), "it has ended by itself");

    setting.rate(Some(1 << 20)).await;
    ccm.run("acopc start -g O", 0);
    assert!(ccm.run("acopc cancel -g O", 0).contains("<< OPC Stopped >>"), "a one-point copy needs no force");
    assert!(setting.reading(&pair).await.is_none());
}
