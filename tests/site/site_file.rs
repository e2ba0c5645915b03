//! The site as a file, end to end: written, compared, applied to an empty home, and refused whole.

use crate::array_lab::Lab;

#[test]
fn a_site_file_makes_the_same_site_in_another_home() {
    let lab = Lab::of(2, 5, 1);
    for volume in ["t1", "t2"] {
        lab.policy(volume, 2, "suspend");
    }
    let map = lab.path().join("A.map");
    std::fs::write(&map, "t1 A1/0x21\nt2 A1/0x22\n").unwrap();
    lab.run(&format!("map import nightly {} --yes", map.display())).ends(0);
    let file = lab.path().join("site.toml");
    let file = file.to_str().unwrap();
    lab.run(&format!("site export {file}")).ends(0);
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(lab.run("site export -").ends(0).out, text);
    lab.run(&format!("site export {file}")).ends(2);
    // On its own site it changes nothing.
    let same = lab.run(&format!("site diff {file}")).ends(0);
    assert!(same.out.contains("Site lab is as") && same.out.contains("Nothing was changed."), "{same:?}");
    lab.run(&format!("site apply {file} --yes")).ends(3);
    lab.run(&format!("site apply {file} --yes --ensure")).ends(0);

    // Everything goes, and comes back by the file in one operation.
    lab.run("map remove nightly --yes").ends(0);
    for volume in ["t1", "t2", "A1/0x21", "A1/0x22", "A1/0x23", "A1/0x24", "A1/0x25"] {
        lab.run(&format!("volume remove {volume} --yes")).ends(0);
    }
    let dry = lab.run(&format!("site apply {file} --dry-run")).ends(0);
    assert!(dry.out.contains("+ volume  A1/0x1: transaction volume t1, 1 MiB"), "{dry:?}");
    assert!(
        dry.out.contains("register 2 transaction volumes, add 5 backup volumes, set 2 policies, store 1 map set"),
        "{dry:?}"
    );
    assert!(dry.out.contains("1 backup volume of 1 MiB missing"), "{dry:?}");
    assert!(lab.status()["transaction_volumes"].as_array().unwrap().is_empty());
    lab.run(&format!("site apply {file} --yes --reason adoption")).ends(0);
    assert_eq!(lab.run("site export -").ends(0).out, text);
    lab.run("audit verify").ends(0);
    let told = lab.run("audit show --last 60").ends(0);
    assert!(told.out.contains("the site: apply site asked for"), "{told:?}");
    // What was taken out of the file stays.
    let shorter: Vec<&str> = text.lines().filter(|line| !line.contains("0x25")).collect();
    std::fs::write(lab.path().join("shorter.toml"), shorter.join("\n")).unwrap();
    let diff = lab.json(&format!("site diff {}", lab.path().join("shorter.toml").display()));
    assert!(diff["differences"].as_array().unwrap().is_empty(), "{diff:#}");
    assert_eq!(diff["not_in_file"][0], "1 backup volume: A1/0x25");
}

#[test]
fn a_site_file_with_errors_is_refused_whole_with_each_place() {
    let lab = Lab::of(0, 0, 1);
    lab.run("array create A1 --size 1MiB --count 4").ends(0);
    lab.run("array volumes A1").ends(0);
    let file = lab.path().join("site.toml");
    let text = "format = 1\ntransaction_volumes = [\n  { volume = \"A1/0x1\", name = \"db\" },\n  { volume = \"A1/0x77\" },\n  { volume = \"A9/0x1\", nam = \"x\" },\n]\n";
    std::fs::write(&file, text).unwrap();
    let refused = lab.run(&format!("site apply {} --yes", file.display())).ends(2);
    assert!(refused.err.contains("site.toml:5:24: error: there is no key \"nam\""), "{refused:?}");
    assert!(refused.err.contains("^^^") && refused.err.contains("nothing of it was applied"), "{refused:?}");
    std::fs::write(&file, text.replace("nam =", "name =")).unwrap();
    let refused = lab.run(&format!("site apply {} --yes", file.display())).ends(2);
    assert!(refused.err.contains("site.toml:4:14") && refused.err.contains("site.toml:5:14"), "{refused:?}");
    std::fs::write(&file, text.lines().take(4).collect::<Vec<_>>().join("\n") + "\n]\n").unwrap();
    lab.run(&format!("site apply {} --yes", file.display())).ends(3);
    assert!(lab.status()["transaction_volumes"].as_array().unwrap().is_empty(), "nothing of it was applied");
    // Several volumes in one verb are all or none, too.
    lab.run("volume add --backup A1/0x1 A1/0x2 A1/0x77 --yes").ends(3);
    assert!(lab.status()["pool"].as_array().unwrap().is_empty());
    lab.run("volume add --backup A1/0x1-0x3 --name x --yes").ends(2);
    let added = lab.run("volume add --backup A1/0x1-0x3 A1/0x3 --yes").ends(0);
    assert!(added.out.contains("register 3 volumes: done"), "{added:?}");
    lab.run("volume add --backup A1/0x1-0x3 --yes").ends(3);
    lab.run("volume add --backup A1/0x1 A1/0x2 --yes --ensure").ends(0);
    assert_eq!(lab.status()["pool"].as_array().unwrap().len(), 3);
}
