//! `ecdeck completions` and `ecdeck man`: made from the tree of verbs, so they cannot drift.

use super::arguments::CommandLine;
use super::{CliError, Exit, out};
use clap::CommandFactory;
use clap_complete::Shell;

pub fn completions(shell: Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "ecdeck", &mut script);
    out::write(&script)?;
    Ok(Exit::Done)
}

/// One page: the command itself, then every verb.
pub fn man() -> Result<Exit, CliError> {
    let page = manual().map_err(|error| CliError::failed(format!("the manual page could not be made: {error}")))?;
    out::write(&page)?;
    Ok(Exit::Done)
}

fn manual() -> std::io::Result<Vec<u8>> {
    let mut command = CommandLine::command();
    command.build();
    let mut first = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut first)?;
    let mut out = with_notes(&first).into_bytes();
    verbs(&command, &mut out)?;
    Ok(out)
}

fn verbs(command: &clap::Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.has_subcommands() {
            verbs(verb, out)?;
        }
        if verb.has_subcommands() && verb.get_positionals().next().is_none() {
            continue;
        }
        let man = clap_mangen::Man::new(verb.clone());
        let title = verb.get_bin_name().or(verb.get_display_name()).unwrap_or(verb.get_name()).to_uppercase();
        out.extend_from_slice(format!(".SH \"{title}\"\n").as_bytes());
        if let Some(about) = verb.get_about() {
            out.extend_from_slice(format!("{about}\n").as_bytes());
        }
        let mut section = Vec::new();
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        if verb.get_after_help().is_some() {
            man.render_extra_section(&mut section)?;
        }
        out.extend_from_slice(&below(&with_notes(&section)));
    }
    Ok(())
}

/// Sections become subsections.
fn below(section: &str) -> Vec<u8> {
    section.replace(".SH ", ".SS ").into_bytes()
}

/// What follows the options of a help page, examples above all: its lines stay as they are.
fn with_notes(page: &[u8]) -> String {
    let page = String::from_utf8_lossy(page).into_owned();
    let Some((before, rest)) = page.split_once(".SH EXTRA\n") else { return page };
    let end = rest.find("\n.SH ").map_or(rest.len(), |at| at + 1);
    let (notes, after) = rest.split_at(end);
    format!("{before}.SH NOTES\n.nf\n{notes}.fi\n{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_every_verb() {
        let page = String::from_utf8(manual().unwrap()).unwrap();
        for verb in
            ["ECDECK SYNC START", "ECDECK BACKUP", "ECDECK HISTORY HOLD", "ECDECK AUDIT VERIFY", "ECDECK EXPLAIN"]
        {
            assert!(page.contains(&format!(".SH \"{verb}\"")), "{verb} is not in the manual");
        }
        let notes: Vec<&str> = page.split(".nf\n").skip(1).map(|from| from.split(".fi\n").next().unwrap()).collect();
        assert!(notes[0].contains("Exit status:"), "{}", notes[0]);
        assert!(notes.iter().any(|note| note.contains("ecdeck backup db01 ")), "{notes:#?}");
        assert!(!page.contains("EXTRA"));
    }
}
