//! `ecdeck hook`: the site's scripts before and after a backup, and trying one out.

use super::agree::sure;
use super::link::{Link, Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::{CliError, Exit, json, names, out};
use crate::engine::protocol::{Answer, Ask, HookView, TriedScript};
use crate::model::hook::{ScriptReport, seconds};
use crate::model::untrusted::Untrusted;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::fmt::Write;

#[derive(Debug, Subcommand)]
pub enum HookVerb {
    /// The configured hooks, and what is wrong with their scripts
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run the scripts of a hook once with `ECDECK_DRY_RUN=1`
    Test(TestHook),
}

#[derive(Debug, Args)]
pub struct TestHook {
    /// The hook, by its name in the configuration
    #[arg(value_name = "HOOK")]
    pub hook: String,
    /// The transaction volume that the scripts are told of
    #[arg(long, value_name = "TV")]
    pub volume: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Listed<'a> {
    hooks: &'a [HookView],
}

#[derive(Serialize)]
struct Tested<'a> {
    hook: &'a str,
    scripts: &'a [TriedScript],
}

pub async fn run(verb: &HookVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        HookVerb::List { json } => list(*json, &mut site_context.open(Need::Reading).await?).await,
        HookVerb::Test(asked) => test(asked, &mut site_context.open(Need::Changing).await?).await,
    }
}

async fn hooks(link: &mut Link) -> Result<Vec<HookView>, CliError> {
    match link.ask(Ask::Hooks).await? {
        Answer::Hooks { hooks } => Ok(hooks),
        other => Err(unexpected(&other)),
    }
}

async fn list(as_json: bool, link: &mut Link) -> Result<Exit, CliError> {
    let found = hooks(link).await?;
    let demo = link.is_demo().await?;
    let exit = if found.iter().all(|view| view.wrong.is_none()) { Exit::Done } else { Exit::Failed };
    if as_json {
        json::print(demo, &Listed { hooks: &found })?;
        return Ok(exit);
    }
    if found.is_empty() {
        out::print("no hooks are configured: docs/hooks.md shows how\n")?;
        return Ok(exit);
    }
    let mut columns = vec![
        ("hook", Align::Left),
        ("volumes", Align::Left),
        ("need", Align::Left),
        ("where", Align::Left),
        ("limit", Align::Right),
        ("pause", Align::Right),
        ("before", Align::Left),
        ("after", Align::Left),
    ];
    let restores = found.iter().any(|view| view.hook.scripts().any(|(phase, _)| phase.is_of_restore()));
    columns.extend(
        restores.then_some([("before restore", Align::Left), ("after restore", Align::Left)]).into_iter().flatten(),
    );
    let mut table = Table::new(&columns);
    let words = |argv: &Option<Vec<String>>| {
        argv.as_ref().map_or_else(|| "-".to_owned(), |argv| Untrusted::new(argv.join(" ")).escaped())
    };
    for view in &found {
        let hook = &view.hook;
        let volumes: Vec<&str> = hook.volumes.iter().map(crate::model::identity::Name::as_str).collect();
        let user = hook.run_as.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        let cells = [
            hook.name.to_string(),
            if volumes.is_empty() { "all".to_owned() } else { volumes.join(" ") },
            hook.need.word().to_owned(),
            format!("{user}{}", hook.host.as_ref().map_or("this machine", |host| host.as_str())),
            format!("{} s", seconds(hook.limit_millis)),
            format!("{} s", seconds(hook.pause_millis)),
            words(&hook.before_backup),
            words(&hook.after_backup),
        ];
        let restore = restores.then(|| [words(&hook.before_restore), words(&hook.after_restore)]);
        table.row(cells.into_iter().chain(restore.into_iter().flatten()));
    }
    let wrong: Vec<String> = found
        .iter()
        .filter_map(|view| {
            let why = view.wrong.as_ref()?;
            Some(format!("! {}: {}\n", view.hook.name, why.escaped()))
        })
        .collect();
    out::print(&(table.render() + &wrong.concat()))?;
    Ok(exit)
}

async fn test(asked: &TestHook, link: &mut Link) -> Result<Exit, CliError> {
    let volume = names::volume(&*link.view(&[&asked.volume]).await?, &asked.volume)?;
    let found = hooks(link).await?;
    let Some(view) = found.iter().find(|view| view.hook.name.as_str() == asked.hook) else {
        let known: Vec<String> = found.iter().map(|view| view.hook.name.to_string()).collect();
        let known = if known.is_empty() { "none is configured".to_owned() } else { known.join(", ") };
        let shown = Untrusted::from(asked.hook.as_str()).escaped();
        return Err(CliError::usage(format!("there is no hook {shown}; known are: {known}")));
    };
    let lines: Vec<String> = view.hook.scripts().map(|(_, argv)| Untrusted::new(argv.join(" ")).escaped()).collect();
    if !asked.yes {
        let question = format!("run `{}` with ECDECK_DRY_RUN=1?", lines.join("`, then `"));
        sure(&question)?;
    }
    let tried = match link.ask(Ask::TestHook { hook: view.hook.name.clone(), volume }).await? {
        Answer::HookTested { scripts } => scripts,
        Answer::Refused { refusal } => return Err(CliError::coded(refusal.code, refusal.to_string())),
        other => return Err(unexpected(&other)),
    };
    let exit = if tried.iter().all(|script| script.report.is_success()) { Exit::Done } else { Exit::Failed };
    if asked.json {
        let demo = link.is_demo().await?;
        json::print(demo, &Tested { hook: &asked.hook, scripts: &tried })?;
        return Ok(exit);
    }
    for script in &tried {
        out::print(&tried_out(script.phase.word(), &script.report))?;
    }
    Ok(exit)
}

/// How a script that was tried out ended, and what it wrote. `what`: what it is called.
pub fn tried_out(what: &str, report: &ScriptReport) -> String {
    let mut text = format!("{what}: {}\n", report.end_text());
    // Writing to a `String` cannot fail.
    for line in report.output.raw().lines() {
        let _ = writeln!(text, "  {}", Untrusted::from(line).escaped());
    }
    if report.dropped > 0 {
        let _ = writeln!(text, "({} bytes more)", report.dropped);
    }
    text
}
