//! Ends a run of tests in which one test hangs: a hang that nobody ends says nothing, and blocks whoever waits for the run.
//!
//! The harness names a test that runs for more than a minute, and has no limit. `ECDECK_TEST_LIMIT`: seconds for one test.

use std::sync::Once;
use std::time::{Duration, Instant};

/// Seconds without the variable. The longest test that is known takes two minutes on a loaded machine.
const USUAL: u64 = 900;
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Watches over the tests of this process from now on.
pub fn watch() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let limit = std::env::var("ECDECK_TEST_LIMIT").ok().and_then(|text| text.parse().ok()).unwrap_or(USUAL);
        std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || over(Duration::from_secs(limit)))
            .unwrap();
    });
}

/// Ends the process when one of its test threads is older than the limit.
fn over(limit: Duration) {
    let mut seen: Vec<(String, Instant)> = Vec::new();
    loop {
        let now = threads();
        seen.retain(|(thread, _)| now.contains(thread));
        for thread in now {
            if !seen.iter().any(|(known, _)| *known == thread) {
                seen.push((thread, Instant::now()));
            }
        }
        if let Some((thread, _)) = seen.iter().find(|(_, since)| since.elapsed() > limit) {
            eprintln!("the test {thread} does not end within {limit:?} (ECDECK_TEST_LIMIT); what runs below it:");
            children(std::process::id(), 1);
            std::process::exit(101);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The threads of tests: their ids and the beginnings of their names, which have a module's path in them.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
            name.contains("::").then(|| format!("{}… (thread {})", name.trim_end(), task.file_name().display()))
        })
        .collect()
}

/// Prints the processes below one, with what each waits for in the kernel.
fn children(parent: u32, depth: usize) {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        let stat = read("stat");
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, its_parent) =
            (fields.next().unwrap_or("?").to_owned(), fields.next().and_then(|id| id.parse().ok()));
        if its_parent == Some(parent) {
            let command = read("cmdline").replace('\0', " ");
            eprintln!("{:indent$}{pid} {state} {} {command}", "", read("wchan"), indent = 2 * depth);
            children(pid, depth + 1);
        }
    }
}
