//! A home that an earlier release left behind at a SIGKILL: it opens, verifies, and the open operation goes on.
//!
//! `tests/fixtures/home-of-format-1.tar.xz` was made by the program of catalogue format 1: volumes t1 to t3, seven backup
//! volumes of 1 MiB of which one was taken out again, kept, held and released generations, suspended pairs, 144 events, and
//! a backup of t1 that waited for a busy array.

use crate::test_site::TestSite;
use std::path::Path;
use std::process::Command;

/// The home of the earlier release, unpacked, with nothing running in it.
pub fn home_of_format_1() -> TestSite {
    let test_site = TestSite::new();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/home-of-format-1.tar.xz");
    let mut tar = Command::new("tar");
    tar.arg("--no-same-owner").arg("-xJpf").arg(packed).arg("-C").arg(test_site.path());
    assert!(tar.status().unwrap().success(), "tar and xz unpack the fixture");
    test_site
}

#[test]
fn a_home_of_an_earlier_release_opens_verifies_and_goes_on() {
    let test_site = home_of_format_1();
    // The array of the fixture answers "busy" for ever: the waiting backup is found, claims and all.
    let status = test_site.status();
    assert_eq!(status["operations"][0]["id"], 28, "{status:#}");
    assert_eq!(status["operations"][0]["verb"], "backup", "{status:#}");
    test_site.run("policy set t1 --generations 3 --interval 1 --mode suspend --yes").ends(7);

    let history = test_site.json("history");
    let described = |entry: &serde_json::Value| {
        let (version, kept, held) = (&entry["version"], &entry["kept"], !entry["held"].is_null());
        format!("{} v{version} kept {kept} held {held}", entry["transaction_volume"]["name"].as_str().unwrap())
    };
    let mut found: Vec<String> = history["generations"].as_array().unwrap().iter().map(described).collect();
    found.sort();
    let expected = [
        "t1 v1 kept false held false",
        "t1 v2 kept true held false",
        "t1 v3 kept true held false",
        "t2 v1 kept true held true",
        "t2 v2 kept true held false",
    ];
    assert_eq!(found, expected, "{history:#}");
    test_site.run("audit verify").ends(0);

    test_site.run("array fault A1 clear").ends(0);
    test_site.wait_for("the backup that was open", |status| status["operations"][0]["end"]["end"] == "done");
    let newest = &test_site.json("history t1")["generations"][0];
    assert_eq!((&newest["version"], &newest["kept"]), (&4.into(), &true.into()), "{newest:#}");
    test_site.run("sync resume t3 --yes").ends(0);
    test_site.run("audit verify").ends(0);
}
