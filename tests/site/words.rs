//! What verbs say to people: the right names, everything once, a way on, and no panic whoever reads it.

use super::array_lab::Lab;
use super::test_site::{Ran, TestSite};
use ecdeck::process::instance;
use std::fs::OpenOptions;
use std::process::Stdio;

#[test]
fn printing_to_a_full_disk_or_to_nobody_never_panics() {
    let lab = Lab::of(1, 1, 1);
    for words in [
        "array list",
        "array volumes",
        "array fingerprint A1/0x1",
        "status",
        "volume list",
        "history",
        "history t1 --json",
        "audit show",
        "explain",
        "man",
        "--help",
        "status --help",
        "--version",
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = lab.command(&words).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {err}");
        assert!(err.contains("standard output cannot be written") && !err.contains("panicked"), "{words:?}: {err}");
        let mut child = lab.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn whoever_cannot_be_told_of_a_trouble_gets_its_exit_status() {
    let test_site = TestSite::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = test_site.command(&["status", "--config", "nowhere.toml"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_watch_ends_with_its_reader() {
    let lab = Lab::of(1, 1, 1);
    let mut child = lab.command(&["status", "--watch", "1", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_name_that_is_none_is_a_slip_and_not_an_empty_list() {
    let lab = Lab::of(1, 2, 1);
    let ran = lab.run("array volumes nope").ends(2);
    assert!(ran.err.contains("named nope; there are A1, A2"), "{ran:?}");
    let ran = lab.run("history A1/0x77").ends(3);
    assert!(ran.err.contains("ecd-1101"), "{ran:?}");
    lab.volume("A1", 0x78, 1);
    lab.seen("A1/0x78");
    let ran = lab.run("history A1/0x78").ends(3);
    assert!(ran.err.contains("A1/0x78 is not registered"), "{ran:?}");
    assert!(lab.run("history t1").ends(0).out.starts_with("no generations of t1 yet"));
}

#[test]
fn the_history_of_a_backup_volume_is_what_was_kept_on_it() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "dissolve");
    for _ in 0..2 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let all = lab.generations("");
    assert_eq!(all.len(), 2);
    for generation in &all {
        let place = generation["backup_volume"]["location"].as_str().unwrap();
        assert_eq!(lab.generations(place).as_slice(), std::slice::from_ref(generation), "{place}");
    }
}

#[test]
fn a_transaction_volume_gets_a_name_when_it_is_given_none() {
    let lab = Lab::new();
    lab.volume("A1", 1, 1);
    lab.run("array create A1 --size 1MiB --olu 0x2 --label ledger").ends(0);
    lab.run("volume add --transaction A1/0x1 --yes").ends(0);
    lab.run("volume add --transaction A1/0x2 --yes").ends(0);
    let names: Vec<String> = names(&lab);
    assert_eq!(names, ["A1-0x1", "ledger"]);
}

fn names(lab: &Lab) -> Vec<String> {
    let status = lab.status();
    let volumes = status["transaction_volumes"].as_array().unwrap().iter();
    volumes.map(|volume| volume["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_of_arrays_is_that_of_the_configuration() {
    let lab = Lab::new();
    lab.run("array create A3").ends(0);
    let file = lab.home().config_file();
    let more = "\n[[array]]\nname = \"A9\"\ndriver = \"embedded\"\n[[array]]\nname = \"DX1\"\ndriver = \"ccm\"\n\
                [array.ccm]\narray = \"ET001\"\ndirectory = \"/nowhere\"\n";
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + more).unwrap();
    let list = lab.json("array list");
    let entry = |name: &str| list["arrays"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert!(entry("A1")["pid"].is_u64() && entry("A1")["reachable"] == true && entry("A1")["configured"] == true);
    assert_eq!(entry("A3")["configured"], false);
    assert!(entry("A9")["why"].as_str().unwrap().contains("ecdeck array create A9"), "{list:#}");
    let real = entry("DX1");
    assert!(real["pid"].is_null() && real["driver"] == "ccm" && real["reachable"] == false, "{list:#}");
    assert!(!real["why"].as_str().unwrap().is_empty(), "{list:#}");
    let text = lab.run("array list").ends(0).out;
    assert!(text.contains("! DX1 does not answer") && text.contains("A3 is not in the configuration"), "{text}");
}

#[test]
fn an_engine_that_goes_by_an_older_configuration_is_told_of_with_its_pid() {
    let lab = Lab::of(1, 1, 1);
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    let file = lab.home().config_file();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("# the same to an engine\n{text}\n[console]\ntheme = \"light\"\n")).unwrap();
    assert_eq!(lab.run("status").ends(0).err, "");
    std::fs::write(&file, text.replace("500ms", "400ms")).unwrap();
    let ran = lab.run("status").ends(0);
    assert!(ran.err.contains("another configuration than") && ran.err.contains(&format!("`kill {pid}`")), "{ran:?}");
    lab.signal(&lab.home().engine(), rustix::process::Signal::TERM);
    assert_eq!(lab.run("status").ends(0).err, "");
    let ran = lab.run("array stop").ends(0);
    let pid = instance::pid_of(&lab.home().engine()).unwrap();
    assert!(ran.err.contains("starts them again") && ran.err.contains(&format!("`kill {pid}`")), "{ran:?}");
}

#[test]
fn the_status_tells_what_policies_need_and_every_trouble_once() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 2, "suspend");
    lab.synchronize("t1");
    lab.run("array fault A1 error-suspend 0x1 0x21").ends(0);
    lab.wait_for_state("t1", "error");
    let text = lab.run("status").ends(0).out;
    let troubles: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
    assert!(
        matches!(troubles.as_slice(), [one] if one.contains("t1 with A1/0x21: ") && one.contains("0xBA")),
        "{text}"
    );
    let pool: Vec<&str> = text.lines().skip_while(|line| *line != "Pool:").skip(1).take(2).collect();
    let columns =
        |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
    let (headings, row): (Vec<String>, Vec<String>) = (columns(pool[0]), columns(pool[1]));
    let cell = |heading: &str| row[headings.iter().position(|one| one == heading).unwrap()].clone();
    // No start takes the volume whose session failed before somebody has looked at it: it is missing as well.
    assert_eq!(
        (cell("unused"), cell("trouble"), cell("need"), cell("missing")),
        ("1".into(), "1".into(), "3".into(), "! 2".into()),
        "{text}"
    );
}

#[test]
fn commands_stand_under_the_step_that_they_do() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 1, "dissolve");
    lab.synchronize("t1");
    let plan = lab.run("backup t1 --dry-run").ends(0).out;
    let lines: Vec<&str> = plan.lines().map(str::trim).collect();
    let at = |begins: &str| lines.iter().position(|line| line.starts_with(begins)).unwrap_or_else(|| panic!("{plan}"));
    assert!(
        lines[at("- suspend") + 1].starts_with("$ ") && lines[at("- end the session") + 1].starts_with("$ "),
        "{plan}"
    );
    assert!(!lines[at("- record") + 1].starts_with("$ "), "{plan}");
}

#[test]
fn an_array_is_called_by_its_name() {
    let lab = Lab::of(1, 1, 1);
    for words in [
        "array write A1/0x99 --text x",
        "array fault A1 bad-block 0x1 99999999",
        "array fault A1 error-suspend 0x1 0x21",
    ] {
        let ran = lab.run(words).ends(2);
        assert!(ran.err.contains("A1/0x") && !ran.err.contains('#'), "{ran:?}");
    }
}

#[test]
fn what_is_so_already_is_one_plain_line_when_that_was_the_wish() {
    let lab = Lab::of(1, 1, 1);
    lab.synchronize("t1");
    let ran = lab.run("sync start t1 --ensure --yes").ends(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "nothing to do: t1 is equivalent with A1/0x21\n"));
    let ran = lab.run("sync start t1 --yes").ends(3);
    assert!(!ran.err.contains("ccm4") && ran.err.contains("ecd-1307"), "{ran:?}");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
    let ran = lab.run("sync cancel t1 --ensure --yes").ends(0);
    assert_eq!(ran.err, "nothing to do: t1 has no session\n");
    let ran = lab.run("sync suspend t1 --yes").ends(3);
    assert_eq!(way_on(&ran, "sync start"), "ecdeck sync start t1");
    lab.synchronize("t1");
    lab.run("sync suspend t1 --yes").ends(0);
    let ran = lab.run("sync cancel t1 --yes").ends(3);
    assert_eq!(ran.err.matches("way on").count(), 1, "{ran:?}");
}

#[test]
fn a_refusal_of_the_array_comes_with_what_to_do() {
    let lab = Lab::of(1, 1, 1);
    lab.run("array fault A1 copy-table-full").ends(0);
    let ran = lab.run("sync start t1 --yes").ends(1);
    assert!(ran.err.contains("own settings for copies") && ran.err.contains("ecdeck audit show"), "{ran:?}");
}

#[test]
fn a_way_on_can_be_copied_to_a_prompt_and_acts_on_the_same_site() {
    let lab = Lab::of(1, 2, 1);
    lab.policy("t1", 2, "suspend");
    for _ in 0..2 {
        lab.synchronize("t1");
        lab.back_up("t1");
    }
    let config = lab.home().config_file();
    let config = config.to_str().unwrap();
    let ran = lab.run(&format!("sync start t1 --yes --config {config}")).ends(3);
    let line = way_on(&ran, "history delete");
    assert!(line.ends_with(&format!("--config {config} --confirm A1/0x21")), "{ran:?}");
    lab.run(&format!("{} --yes", line.trim_start_matches("ecdeck "))).ends(0);
    assert_eq!(lab.kept("t1").len(), 1);
}

fn way_on(ran: &Ran, verb: &str) -> String {
    let is_it = |line: &&str| line.starts_with(&format!("ecdeck {verb}"));
    ran.err.lines().map(str::trim).find(is_it).unwrap_or_else(|| panic!("{ran:?}")).to_owned()
}

#[test]
fn waiting_ends_with_a_sentence_about_what_came_true() {
    let lab = Lab::of(2, 2, 1);
    let ran = lab.run("sync start t1 --wait --yes").ends(0);
    assert!(ran.err.ends_with("t1 is equivalent with A1/0x21\n"), "{ran:?}");
    lab.run("sync cancel t1 --yes").ends(0);
    lab.wait_for_state("t1", "none");
    let ran = lab.run("sync start t1 t2 --wait --yes").ends(0);
    assert!(ran.err.ends_with("all 2 copies are equivalent\n"), "{ran:?}");
}

#[test]
fn who_has_a_volume_is_told_once_and_the_audit_names_who_asked_once() {
    let lab = Lab::of(1, 1, 1);
    lab.run("array fault A1 slow --millis 500").ends(0);
    let first = lab.spawn("sync start t1 --yes");
    lab.wait_for("t1 held", |status| !lab.entry(status, "t1")["held_by"].is_null());
    let ran = lab.run("sync start t1 --yes").ends(7);
    assert_eq!(ran.err.matches("(start) of ").count(), 1, "{ran:?}");
    assert!(ran.err.contains("(ecd-1802), since 20") && !ran.err.contains("has it"), "{ran:?}");
    first.end().ends(0);
    let audit = lab.run("audit show").ends(0).out;
    assert!(audit.contains("t1: start asked for\n"), "{audit}");
}

#[test]
fn an_array_that_does_not_answer_is_named_once() {
    let lab = Lab::of(1, 1, 1);
    lab.run("array fault A2 unreachable").ends(0);
    lab.wait_for("A2 is silent", |status| status["arrays"][1]["reachable"] == false);
    assert_eq!(lab.run("status --json").ends(0).json()["arrays"][0]["reachable"], true);
    let text = lab.run("status").ends(0).out;
    let line = text.lines().find(|line| line.starts_with("array A2: ")).unwrap();
    assert!(line.contains("does not answer since") && line.matches("A2").count() == 1, "{line}");
}

#[test]
fn what_to_do_is_told_with_the_name_of_the_volume() {
    let lab = Lab::of(1, 1, 4);
    lab.policy("t1", 1, "suspend");
    lab.run("array rate 1MiB").ends(0);
    lab.run("sync start t1 --yes").ends(0);
    lab.wait_for_state("t1", "copying");
    let ran = lab.run("backup t1 --yes").ends(3);
    assert!(ran.err.contains("`ecdeck backup t1 --wait`"), "{ran:?}");
}

#[test]
fn the_list_of_volumes_tells_whose_a_backup_volume_is_and_a_refusal_why_each_does_not_fit() {
    let lab = Lab::of(1, 1, 1);
    lab.policy("t1", 2, "dissolve");
    lab.synchronize("t1");
    assert!(lab.run("volume list").ends(0).out.contains("equivalent, t1"));
    lab.back_up("t1");
    assert!(lab.run("volume list").ends(0).out.contains("generation, v1 of t1"));
    let ran = lab.run("sync start t1 --yes").ends(3);
    assert!(ran.err.contains("\n  nearly: A1/0x21 holds v1 of t1\n"), "{ran:?}");
}
