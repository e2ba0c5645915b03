//! What must hold, told from what hosts wrote and what commands printed, and from nothing that the program keeps.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The contents of a volume, in short.
pub type Content = [u8; 32];

pub fn content(bytes: &[u8]) -> Content {
    *blake3::hash(bytes).as_bytes()
}

/// One kept generation as the history shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub version: u64,
    pub place: String,
    pub content: Content,
}

#[derive(Debug, Default)]
pub struct Model {
    /// Every state that a transaction volume really had, in order.
    states: BTreeMap<String, Vec<Content>>,
    /// What each version held when it was first seen, and whether it was kept when last seen.
    versions: BTreeMap<(String, u64), (Content, bool)>,
    pub checked: usize,
}

pub type Verdict = Result<(), String>;

impl Model {
    /// A host wrote; the volume is like this now.
    pub fn wrote(&mut self, volume: &str, now: Content) {
        let states = self.states.entry(volume.to_owned()).or_default();
        if states.last() != Some(&now) {
            states.push(now);
        }
    }

    /// Checks the kept generations of a volume, while nothing runs.
    pub fn kept(&mut self, volume: &str, kept: &[Kept]) -> Verdict {
        let states = self.states.get(volume).ok_or("a history of a volume that nobody wrote")?;
        let newest_seen = self.versions.range((volume.to_owned(), 0)..=(volume.to_owned(), u64::MAX)).next_back();
        let newest_seen = newest_seen.map_or(0, |((_, version), _)| *version);
        let mut sorted = kept.to_vec();
        sorted.sort_by_key(|generation| generation.version);
        let mut least = 0;
        for generation in &sorted {
            let Kept { version, place, content } = generation;
            self.checked += 1;
            match self.versions.get(&(volume.to_owned(), *version)) {
                None if *version <= newest_seen => {
                    return Err(format!("v{version} of {volume} appears, and v{newest_seen} was there before"));
                }
                Some((_, false)) => {
                    return Err(format!("v{version} of {volume} is there again: a version is used twice"));
                }
                Some((was, true)) if was != content => {
                    return Err(format!("v{version} of {volume} on {place} is no longer what it was"));
                }
                Some(_) | None => {}
            }
            // A later version holds no earlier state.
            let Some(at) = states.iter().skip(least).position(|state| state == content) else {
                return Err(format!("v{version} of {volume} on {place} holds what {volume} never was at that time"));
            };
            least += at;
            self.versions.insert((volume.to_owned(), *version), (*content, true));
        }
        let still: BTreeSet<u64> = kept.iter().map(|generation| generation.version).collect();
        for ((name, version), (_, is_kept)) in &mut self.versions {
            if name == volume && !still.contains(version) {
                *is_kept = false;
            }
        }
        Ok(())
    }

    /// The versions that were kept when they were last seen.
    pub fn kept_versions(&self, volume: &str) -> Vec<u64> {
        let kept = self.versions.iter().filter(|((name, _), (_, is_kept))| name == volume && *is_kept);
        kept.map(|((_, version), _)| *version).collect()
    }

    /// No backup volume is used twice: not by two generations, not by two sessions, not by a copy onto a generation.
    /// `kept`: transaction volume and place of each kept generation.
    pub fn used(kept: &[(String, String)], status: &Value) -> Verdict {
        let mut places = BTreeSet::new();
        for (volume, place) in kept {
            if !places.insert(place.as_str()) {
                return Err(format!("{place} holds two generations, one of {volume}"));
            }
        }
        let mut targets = BTreeSet::new();
        let mut live = BTreeSet::new();
        for session in status["sessions"].as_array().into_iter().flatten() {
            let target = session["target"]["location"].as_str().unwrap_or_default();
            let source = session["source"]["name"].as_str().unwrap_or_default();
            if !targets.insert(target) {
                return Err(format!("{target} is in two sessions"));
            }
            let copies = !["suspended", "error-suspended"].contains(&session["status"].as_str().unwrap_or_default());
            if copies && !live.insert(source) {
                return Err(format!("{source} has two live sessions"));
            }
            let owner = kept.iter().find(|(_, place)| place == target).map(|(volume, _)| volume.as_str());
            if copies && owner.is_some() {
                return Err(format!("{target} holds a generation and is copied to"));
            }
            if owner.is_some_and(|owner| owner != source) {
                return Err(format!("{target} holds a generation of another volume than {source}"));
            }
        }
        Ok(())
    }

    /// The exit status and the document of a changing verb tell the same. `waits`: for a copy after its operation.
    pub fn told(exit: i32, document: &Value, waits: bool) -> Verdict {
        let wrong = |what: &str| Err(format!("{what}: exit {exit}, {document}"));
        if !(0..=8).contains(&exit) || exit == 2 {
            return wrong("no script can ask for this end");
        }
        if document["exit"].as_i64().is_some_and(|told| told != i64::from(exit)) {
            return wrong("the document names another exit status");
        }
        if document.get("error").is_some_and(|error| !error.is_null()) && exit == 0 {
            return wrong("an error, and success");
        }
        let ends: Vec<&str> = document["operations"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|operation| operation["end"]["end"].as_str().unwrap_or("none"))
            .collect();
        let refused = document["refused"].as_array().map_or(0, Vec::len);
        let done = ends.iter().filter(|end| **end == "done").count();
        match exit {
            0 if done < ends.len() => wrong("success, and an operation that is not done"),
            0 if refused > 0 && document["result"] != "already-so" => wrong("success, and a refusal"),
            6 if done == 0 || (done == ends.len() && refused == 0) => wrong("neither partly done nor partly not"),
            // Another plan than the one that was agreed to is a refusal, too.
            3 if document["result"] == "changed" && ends.is_empty() => Ok(()),
            3 if refused == 0 && document["error"]["code"].is_null() && ends.iter().all(|end| *end == "done") => {
                wrong("refused, without a refusal")
            }
            1 | 3 if done > 0 && !waits => wrong("something is done and the status does not say so"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kept(version: u64, place: &str, text: &str) -> Kept {
        Kept { version, place: place.to_owned(), content: content(text.as_bytes()) }
    }

    fn model() -> Model {
        let mut model = Model::default();
        for text in ["a", "b", "c", "d"] {
            model.wrote("t1", content(text.as_bytes()));
        }
        model
    }

    #[test]
    fn a_generation_holds_a_state_that_the_volume_had_and_none_of_an_earlier_time() {
        model().kept("t1", &[kept(1, "x", "b"), kept(2, "y", "b"), kept(3, "z", "d")]).unwrap();
        assert!(model().kept("t1", &[kept(1, "x", "e")]).is_err());
        assert!(model().kept("t1", &[kept(1, "x", "c"), kept(2, "y", "b")]).is_err());
    }

    #[test]
    fn a_generation_stays_what_it_is_and_its_version_is_not_used_again() {
        let mut changed = model();
        changed.kept("t1", &[kept(1, "x", "b")]).unwrap();
        assert!(changed.kept("t1", &[kept(1, "x", "c")]).unwrap_err().contains("no longer"));
        let mut again = model();
        again.kept("t1", &[kept(1, "x", "b")]).unwrap();
        again.kept("t1", &[]).unwrap();
        assert!(again.kept("t1", &[kept(1, "x", "b")]).unwrap_err().contains("twice"));
        let mut back = model();
        back.kept("t1", &[kept(2, "x", "b")]).unwrap();
        assert!(back.kept("t1", &[kept(1, "y", "b"), kept(2, "x", "b")]).is_err());
    }

    #[test]
    fn a_volume_that_is_used_twice_is_seen() {
        let session = |source: &str, target: &str, status: &str| json!({"source": {"name": source}, "target": {"location": target}, "status": status});
        let status = |sessions: Vec<Value>| json!({ "sessions": sessions });
        let kept = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(volume, place)| ((*volume).to_owned(), (*place).to_owned())).collect()
        };
        let none = status(Vec::new());
        Model::used(&kept(&[("t1", "x"), ("t2", "y")]), &status(vec![session("t1", "x", "suspended")])).unwrap();
        assert!(Model::used(&kept(&[("t1", "x"), ("t2", "x")]), &none).is_err());
        assert!(Model::used(&kept(&[("t1", "x")]), &status(vec![session("t1", "x", "active")])).is_err());
        assert!(Model::used(&kept(&[("t1", "x")]), &status(vec![session("t2", "x", "suspended")])).is_err());
        let two = vec![session("t1", "x", "active"), session("t1", "y", "active")];
        assert!(Model::used(&[], &status(two)).is_err());
        let same = vec![session("t1", "x", "suspended"), session("t2", "x", "suspended")];
        assert!(Model::used(&[], &status(same)).is_err());
    }

    #[test]
    fn an_exit_status_that_tells_another_story_than_the_document_is_seen() {
        let ends = |ends: &[&str]| -> Value { ends.iter().map(|end| json!({"end": {"end": end}})).collect() };
        let document = |exit: i32, list: &[&str]| json!({"exit": exit, "operations": ends(list), "refused": []});
        Model::told(0, &document(0, &["done"]), false).unwrap();
        Model::told(6, &document(6, &["done", "failed"]), false).unwrap();
        Model::told(3, &json!({"error": {"code": "ecd-1201"}}), false).unwrap();
        assert!(Model::told(0, &document(0, &["failed"]), false).is_err());
        assert!(Model::told(0, &document(1, &["done"]), false).is_err());
        assert!(Model::told(1, &document(1, &["done"]), false).is_err());
        assert!(Model::told(101, &Value::Null, false).is_err());
        assert!(Model::told(0, &json!({"error": {"code": "ecd-1201"}}), false).is_err());
    }
}
