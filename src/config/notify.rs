//! The keys of `[notify]`: what is run when somebody has to know of something.

use super::Host;
use super::hooks::{HOOK_LIMIT, USUAL_LIMIT, command, machine, user, variable};
use crate::config_keys::{Fault, closest, time};
use crate::model::notice::NotifyHook;
use crate::model::trouble_kind::TroubleKind;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::Spanned;

/// Between two notifications of a trouble that lasts. More often nobody reads them.
const REPEAT: RangeInclusive<Duration> = Duration::from_hours(1)..=Duration::from_hours(24 * 31);
const USUAL_REPEAT: Duration = Duration::from_hours(24);
/// The word in `repeat` for: once.
const NEVER: &str = "never";
/// The word in `kinds` for the summary of a job.
const JOB: &str = "job";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyKeys {
    command: Spanned<Vec<String>>,
    host: Option<Spanned<String>>,
    run_as: Option<Spanned<String>>,
    limit: Option<Spanned<String>>,
    repeat: Option<Spanned<String>>,
    kinds: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    environment: BTreeMap<Spanned<String>, Spanned<String>>,
}

pub(super) fn notify(keys: &NotifyKeys, hosts: &[Host]) -> Result<NotifyHook, Fault> {
    let (kinds, jobs) = kinds(keys.kinds.as_ref())?;
    let repeat = match keys.repeat.as_ref() {
        Some(text) if text.get_ref() == NEVER => Duration::ZERO,
        other => time(other, USUAL_REPEAT, REPEAT)?,
    };
    Ok(NotifyHook {
        command: command(&keys.command)?,
        host: keys.host.as_ref().map(|host| machine(host, hosts)).transpose()?,
        run_as: keys.run_as.as_ref().map(user).transpose()?,
        limit_millis: time(keys.limit.as_ref(), USUAL_LIMIT, HOOK_LIMIT)?.as_millis() as u64,
        environment: keys.environment.iter().map(|(key, value)| variable(key, value)).collect::<Result<_, _>>()?,
        kinds,
        jobs,
        repeat_millis: i64::try_from(repeat.as_millis()).unwrap_or(i64::MAX),
    })
}

/// What is notified, and whether jobs are summed up. Without the key: everything.
fn kinds(written: Option<&Spanned<Vec<Spanned<String>>>>) -> Result<(BTreeSet<TroubleKind>, bool), Fault> {
    let Some(written) = written else { return Ok((NotifyHook::kinds().collect(), true)) };
    if written.get_ref().is_empty() {
        return Err(Fault::at(
            written,
            "nothing would be notified: name a kind, or leave the line away for all of them",
        ));
    }
    let (mut kinds, mut jobs) = (BTreeSet::new(), false);
    for word in written.get_ref() {
        let known = NotifyHook::kinds().find(|kind| kind.word() == word.get_ref());
        match known {
            Some(kind) => {
                kinds.insert(kind);
            }
            None if word.get_ref() == JOB => jobs = true,
            None => {
                let words: Vec<&str> = NotifyHook::kinds().map(TroubleKind::word).chain([JOB]).collect();
                let hint = match closest(word.get_ref(), words.iter().copied()) {
                    Some(close) => format!("did you mean {close:?}?"),
                    None => format!("write one of {}", words.join(", ")),
                };
                return Err(Fault::at(word, format!("there is no kind {:?}; {hint}", word.get_ref())));
            }
        }
    }
    Ok((kinds, jobs))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::model::notice::NotifyHook;
    use crate::model::trouble_kind::TroubleKind;
    use std::path::Path;

    fn parse(keys: &str) -> Result<NotifyHook, String> {
        let text = format!("site = \"x\"\n[[host]]\nname = \"mail1\"\nhost = \"mail1.example\"\n[notify]\n{keys}\n");
        let config = Config::parse(&text, Path::new("/etc/ecdeck/config.toml")).map_err(|error| error.to_string())?;
        Ok(config.notify.unwrap())
    }

    #[test]
    fn a_notification_hook_is_read_with_its_defaults() {
        let hook = parse("command = [\"/etc/ecdeck/notify\", \"-v\"]").unwrap();
        assert_eq!((hook.limit_millis, hook.repeat_millis, hook.jobs), (30_000, 86_400_000, true));
        assert!(hook.kinds.contains(&TroubleKind::PoolShort) && !hook.kinds.contains(&TroubleKind::NotifyHook));
        let hook = parse(
            "command = [\"/bin/cat\"]\nhost = \"mail1\"\nkinds = [\"halted\", \"error\"]\nrepeat = \"never\"\nlimit = \"5s\"",
        )
        .unwrap();
        assert_eq!(hook.kinds.into_iter().collect::<Vec<_>>(), [TroubleKind::Error, TroubleKind::Halted]);
        assert_eq!((hook.repeat_millis, hook.jobs, hook.limit_millis), (0, false, 5_000));
        assert_eq!(hook.host.unwrap().as_str(), "mail1");
        assert!(parse("command = [\"/bin/cat\"]\nkinds = [\"job\"]").unwrap().jobs);
    }

    #[test]
    fn a_wrong_notification_hook_is_reported_with_its_line() {
        for (keys, part) in [
            ("limit = \"5s\"", "command"),
            ("command = []", ":6: notify.command: a command line has at least a program"),
            ("command = [\"mail\"]", ":6: notify.command: mail depends on where"),
            ("command = [\"/bin/cat\"]\nkinds = []", ":7: notify.kinds: nothing would be notified"),
            ("command = [\"/bin/cat\"]\nkinds = [\"halt\"]", "there is no kind \"halt\"; did you mean \"halted\"?"),
            ("command = [\"/bin/cat\"]\nrepeat = \"1m\"", ":7: notify.repeat"),
            (
                "command = [\"/bin/cat\"]\nhost = \"mail2\"",
                ":7: notify.host: there is no host \"mail2\"; did you mean mail1?",
            ),
        ] {
            let why = parse(keys).unwrap_err();
            assert!(why.contains(part), "{keys}: {why}");
        }
    }
}
