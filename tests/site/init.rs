//! The first set-up without a terminal: from a site that is written down, and never over a configuration that is there.

use crate::test_site::TestSite;
use std::os::unix::fs::PermissionsExt;

const FILE: &str = "format = 1
site = \"lab\"
transaction_volumes = [
  { volume = \"A1/0x1\", name = \"db01\", policy = { generations = 1, interval_days = 1, mode = \"suspend\" } },
]
backup_volumes = [ { volume = \"A1/0x2\" }, { volume = \"A1/0x3\" } ]
";

#[test]
fn a_site_that_is_written_down_is_set_up_from_nothing() {
    let test_site = TestSite::new();
    let config = test_site.home().config_file();
    let file = test_site.path().join("site.toml");
    std::fs::write(&file, FILE).unwrap();
    let from = format!("init --from {}", file.display());
    // Without a terminal it says how; without the arrays it names them; neither writes anything.
    let refused = test_site.run("init").ends(2);
    assert!(refused.err.contains("ecdeck init --from FILE"), "{refused:?}");
    let refused = test_site.run(&format!("{from} --yes")).ends(2);
    assert!(refused.err.contains("no driver finds by itself: A1"), "{refused:?}");
    test_site.run("array create A1 --size 1MiB --count 4").ends(0);
    test_site.run(&from).ends(2);
    let shown = test_site.run(&format!("{from} --dry-run")).ends(0);
    assert!(shown.err.contains("name = \"A1\""), "{shown:?}");
    assert!(!config.exists());
    let damaged = test_site.path().join("damaged.toml");
    std::fs::write(&damaged, FILE.replace("name =", "nam =")).unwrap();
    let refused = test_site.run(&format!("init --from {} --yes", damaged.display())).ends(2);
    assert!(refused.err.contains("damaged.toml:4:24"), "{refused:?}");
    assert!(!config.exists());

    let made = test_site.run(&format!("{from} --yes")).ends(0);
    assert!(made.out.contains("+ volume  A1/0x1: transaction volume db01, 1 MiB"), "{made:?}");
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let status = test_site.status();
    assert_eq!(status["transaction_volumes"][0]["name"], "db01");
    assert_eq!(status["pool"].as_array().unwrap().len(), 2);
    // Again: nothing to do, and the configuration stays.
    let before = std::fs::read_to_string(&config).unwrap();
    test_site.run(&format!("{from} --yes --ensure")).ends(0);
    let refused = test_site.run("init").ends(2);
    assert!(refused.err.contains("is there already and stays as it is"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), before);
}

#[test]
fn a_home_that_lost_its_configuration_is_not_begun_anew() {
    let test_site = TestSite::new();
    std::fs::write(test_site.home().catalogue_file(), "").unwrap();
    let file = test_site.path().join("site.toml");
    std::fs::write(&file, FILE).unwrap();
    let refused = test_site.run(&format!("init --from {} --yes", file.display())).ends(2);
    assert!(refused.err.contains("holds a real site"), "{refused:?}");
    assert!(!test_site.home().config_file().exists());
    test_site.run("init --demo").ends(2);
}
