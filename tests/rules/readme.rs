//! What the README says in tables is what the program does.

use ecdeck::model::plan::legality;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

#[test]
fn the_readme_shows_the_whole_table_of_what_is_legal() {
    let table = legality::markdown();
    assert!(readme().contains(&table), "put this table into README.md:\n{table}");
    let further = legality::further_markdown();
    assert!(readme().contains(&further), "put this table into README.md:\n{further}");
}
