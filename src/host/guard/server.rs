//! The guard's process: it takes its order from standard input, serves the engine, and ends when it is no longer needed.

use super::protocol::{GuardAnswer, GuardAsk, GuardOrder};
use super::state::State;
use crate::process::instance::{detach, set_private_umask};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

/// The hidden word of the command line that starts a guard.
pub const WORD: &str = "hook-guard";
/// How long a guard keeps its report for an engine that does not come.
const LINGER: Duration = Duration::from_hours(1);
/// Bytes of an order: a hundred hooks with long command lines.
const MAX_ORDER: u64 = 1 << 20;
/// Bytes of a question.
const MAX_ASK: u64 = 64 << 10;

/// Runs a guard to its end. It never returns an error to anybody but its starter.
pub fn serve() {
    let ready = detach();
    set_private_umask();
    // Neither the starter's folder nor one of the home is held, or waited for.
    let _ = std::env::set_current_dir("/");
    let mut text = Vec::new();
    let read = std::io::stdin().take(MAX_ORDER).read_to_end(&mut text).map_err(|error| error.to_string());
    let order = read.and_then(|_| serde_json::from_slice::<GuardOrder>(&text).map_err(|error| error.to_string()));
    let order = match order {
        Ok(order) => order,
        Err(why) => return ready.fail(&format!("its order cannot be read: {why}")),
    };
    // A socket of that name is of a guard that is gone: the name is made for this operation alone.
    let _ = std::fs::remove_file(&order.socket);
    let listener = match UnixListener::bind(&order.socket) {
        Ok(listener) => listener,
        Err(error) => return ready.fail(&format!("its socket cannot be made: {error}")),
    };
    let state = Arc::new(State::new(order));
    std::thread::spawn({
        let state = Arc::clone(&state);
        move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&state);
                std::thread::spawn(move || answer(&stream, &state));
            }
        }
    });
    ready.say();
    let has_left = state.until_end(LINGER);
    let _ = std::fs::remove_file(&state.order().socket);
    if has_left {
        let _ = std::fs::remove_file(&state.order().record);
    }
}

/// Answers one engine until its line ends. What it asked for goes on without it.
fn answer(stream: &UnixStream, state: &State) {
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        match lines.by_ref().take(MAX_ASK).read_line(&mut line) {
            Ok(1..) => {}
            _ => return,
        }
        let ran = |run: Result<_, String>| run.map_or_else(|why| GuardAnswer::Refused { why }, GuardAnswer::Ran);
        let answer = match serde_json::from_str(&line) {
            Ok(GuardAsk::Before { hook }) => ran(state.before(hook)),
            Ok(GuardAsk::After { hook, result, version }) => ran(state.after(hook, result, version.as_deref())),
            Ok(GuardAsk::View) => GuardAnswer::View(state.view()),
            Ok(GuardAsk::Leave) if state.may_leave() => GuardAnswer::Gone,
            Ok(GuardAsk::Leave) => GuardAnswer::Refused { why: "scripts after the backup are still due".to_owned() },
            Err(error) => GuardAnswer::Refused { why: error.to_string() },
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else { return };
        text.push(b'\n');
        let mut to: &UnixStream = stream;
        let written = to.write_all(&text);
        if answer == GuardAnswer::Gone {
            state.leave();
        }
        if written.is_err() {
            return;
        }
    }
}
