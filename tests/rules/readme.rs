//! What the documentation says in tables is what the program does, and every page that it names exists.

use ecdeck::model::plan::legality;
use std::path::Path;

fn page(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_documentation_shows_the_whole_table_of_what_is_legal() {
    let rules = page("docs/rules.md");
    let table = legality::markdown();
    assert!(rules.contains(&table), "put this table into docs/rules.md:\n{table}");
    let further = legality::further_markdown();
    assert!(rules.contains(&further), "put this table into docs/rules.md:\n{further}");
}

#[test]
fn the_readme_fits_on_a_few_screens() {
    assert!(page("README.md").lines().count() <= 150, "move what a newcomer does not need into docs/");
}

#[test]
fn every_page_that_a_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<_> = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.extend(
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "GLOSSARY.md", "SECURITY.md"].map(|name| root.join(name)),
    );
    let (mut found, mut missing) = (0, Vec::new());
    for page in pages.iter().filter(|page| page.extension().is_some_and(|extension| extension == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if link.is_empty() || link.contains("://") {
                continue;
            }
            found += 1;
            if !page.parent().unwrap().join(link).exists() {
                missing.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(found > 10, "only {found} links were found: they are no longer looked for in the right way");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
