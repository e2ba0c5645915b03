//! One descriptor a verb: keys, footer, help, palette, roles, audit sentences, and remedies as command lines are made from it.
//!
//! Belongs here: what is true of a verb whoever asks for it and whatever its volumes are like. Does not: its rules
//! (`plan`), its arguments ([`super::request::Action`]), how a screen draws it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What a person may do. Each role may do what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Sees everything, changes nothing.
    Viewer,
    /// Synchronizes, backs up, holds and deletes generations.
    Operator,
    /// Changes policies and registrations as well.
    Administrator,
}

impl Role {
    /// The role with its article, for a sentence.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Viewer => "a viewer",
            Self::Operator => "an operator",
            Self::Administrator => "an administrator",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let all = [Self::Viewer, Self::Operator, Self::Administrator];
        let found = all.into_iter().find(|role| role.word() == word);
        found.ok_or_else(|| format!("{word:?} is no role: give viewer, operator or administrator"))
    }
}

/// The verbs of the table: what is done to one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairVerb {
    /// Full where there is no session, differential where one is suspended.
    Start,
    Resume,
    Suspend,
    Backup,
    Cancel,
    ForceStop,
    /// Copy a generation back; the state is that of the transaction volume's own session.
    Restore,
    /// Delete the generation on the pair's backup volume.
    Delete,
    /// Overwrite the generation on the pair's backup volume, differential where the session is suspended.
    ResumeOnto,
}

impl PairVerb {
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Resume,
        Self::Suspend,
        Self::Backup,
        Self::Cancel,
        Self::ForceStop,
        Self::Restore,
        Self::Delete,
        Self::ResumeOnto,
    ];
}

impl fmt::Display for PairVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Backup => "backup",
            Self::Cancel => "cancel",
            Self::ForceStop => "force-stop",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::ResumeOnto => "resume-onto",
        })
    }
}

/// The verb's row in the console's table of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbKey {
    /// Its name in `[console.keys]` and in the palette. Configurations contain it: it never changes.
    pub binding: &'static str,
    /// The key, unless a configuration binds another one.
    pub key: char,
    /// Its word in the footer and how early it leaves a footer that is too narrow (lower ranks stay longer).
    pub footer: Option<(&'static str, u8)>,
    /// Its line in the help.
    pub help: &'static str,
}

/// What a verb is asked of: the words that its command line takes, and the row of a screen that its key needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerbObject {
    /// Transaction volumes, several in one request.
    Volumes,
    /// One transaction volume.
    Volume,
    /// One generation: a transaction volume and a version.
    Generation(GenerationVerb),
    /// With words and forms of its own.
    Other,
}

/// What is known of a verb that acts on one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationVerb {
    /// Its line in the help of `ecdeck history`.
    pub about: &'static str,
    /// `None` where a reason may be given, but none is needed.
    pub reason: Option<NeededReason>,
    /// The verb that its key asks for on a held generation instead.
    pub on_held: Option<Verb>,
}

/// The reason that a verb is not accepted without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededReason {
    /// What needs it, at the start of a sentence.
    pub of: &'static str,
    /// The question for it, after one sentence about what the verb does.
    pub question: &'static str,
}

/// What is known of a verb without its volumes.
#[derive(Debug, Clone, Copy)]
pub struct VerbInfo {
    /// The verb in events, plans and refusals: `force-stop`.
    pub word: &'static str,
    /// The title of its dialog: `Forced stop`.
    pub title: &'static str,
    /// What an operation is doing to a volume, in at most ten columns: `stopping`.
    pub doing: &'static str,
    /// Who may ask for it.
    pub role: Role,
    /// Whether every plan of it ends or overwrites a generation, so that its name is typed first.
    pub destroys: bool,
    /// What it is asked of.
    pub object: VerbObject,
    /// Its column in the table of status and phase; `None` where no session decides on it.
    pub column: Option<PairVerb>,
    /// The words after `ecdeck` that ask for it.
    pub command: &'static [&'static str],
    /// `None` where another verb's key leads to it, or no key does.
    pub key: Option<VerbKey>,
}

/// Makes the enum, the list of all verbs and the descriptors from one table, so that no verb can lack one.
macro_rules! verbs {
    ($($(#[$doc:meta])* $verb:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        /// The verbs that people know. The order is that of the help.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Verb {
            $($(#[$doc])* $verb,)*
        }

        impl Verb {
            /// Every verb.
            pub const ALL: &[Self] = &[$(Self::$verb),*];

            /// The verb's descriptor.
            pub const fn info(self) -> &'static VerbInfo {
                match self {
                    $(Self::$verb => &VerbInfo { $($field: $value),* },)*
                }
            }
        }
    };
}

verbs! {
    /// A full copy to an unused backup volume, or the difference to a bound one.
    Start {
        word: "start",
        title: "Start synchronization",
        doing: "starting",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volumes,
        column: Some(PairVerb::Start),
        command: &["sync", "start"],
        key: Some(VerbKey {
            binding: "start",
            key: 's',
            footer: Some(("start", 2)),
            help: "start a synchronization: the difference where there is a base, else everything",
        }),
    }
    /// From equivalence to suspended, without a generation.
    Suspend {
        word: "suspend",
        title: "Suspend synchronization",
        doing: "suspending",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volumes,
        column: Some(PairVerb::Suspend),
        command: &["sync", "suspend"],
        key: Some(VerbKey {
            binding: "suspend",
            key: 'z',
            footer: Some(("suspend", 5)),
            help: "suspend an equivalent copy; this makes no generation",
        }),
    }
    /// A start that copies the difference or is refused.
    Resume {
        word: "resume",
        title: "Resume synchronization",
        doing: "resuming",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volumes,
        column: Some(PairVerb::Resume),
        command: &["sync", "resume"],
        key: Some(VerbKey {
            binding: "resume",
            key: 'r',
            footer: Some(("resume", 3)),
            help: "resume a suspended copy: the difference only",
        }),
    }
    /// From equivalence to a generation.
    Backup {
        word: "backup",
        title: "Backup",
        doing: "backing up",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volumes,
        column: Some(PairVerb::Backup),
        command: &["backup"],
        key: Some(VerbKey {
            binding: "backup",
            key: 'b',
            footer: Some(("backup", 1)),
            help: "back up: the equivalent copy becomes a generation",
        }),
    }
    /// Ends sessions by the array's rules; generations stay.
    Cancel {
        word: "cancel",
        title: "Cancel synchronization",
        doing: "cancelling",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volumes,
        column: Some(PairVerb::Cancel),
        command: &["sync", "cancel"],
        key: Some(VerbKey {
            binding: "cancel",
            key: 'c',
            footer: Some(("cancel", 4)),
            help: "cancel a synchronization; generations stay",
        }),
    }
    /// Ends a session on the array, whatever its state.
    ForceStop {
        word: "force-stop",
        title: "Forced stop",
        doing: "stopping",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volume,
        column: Some(PairVerb::ForceStop),
        command: &["sync", "force-stop"],
        key: Some(VerbKey {
            binding: "force-stop",
            key: 'x',
            footer: None,
            help: "end a session on the array, whatever state it is in",
        }),
    }
    /// Backs up by a one-point copy, whatever sessions there are.
    Snapshot {
        word: "snapshot",
        title: "Snapshot backup",
        doing: "snapshot",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Volume,
        column: None,
        command: &["snapshot"],
        key: None,
    }
    DeleteGeneration {
        word: "delete generation",
        title: "Delete a generation",
        doing: "deleting",
        role: Role::Operator,
        destroys: true,
        object: VerbObject::Generation(GenerationVerb { about: "Delete a generation; its session, if it has one, stays", reason: None, on_held: None }),
        column: Some(PairVerb::Delete),
        command: &["history", "delete"],
        key: Some(VerbKey {
            binding: "delete",
            key: 'd',
            footer: None,
            help: "delete the selected generation (in generations and pool)",
        }),
    }
    /// Keeps retention from releasing a generation.
    Hold {
        word: "hold",
        title: "Hold a generation",
        doing: "holding",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Generation(GenerationVerb { about: "Protect a generation from being released (needs --reason)", reason: Some(NeededReason { of: "a hold", question: "Retention never releases a held generation. Why is it held?" }), on_held: Some(Verb::Unhold) }),
        column: None,
        command: &["history", "hold"],
        key: Some(VerbKey {
            binding: "hold",
            key: 'p',
            footer: None,
            help: "hold the selected generation so that it is not released, or end the hold",
        }),
    }
    /// Ends a hold. The key of [`Self::Hold`] leads here on a held generation.
    Unhold {
        word: "unhold",
        title: "No longer hold a generation",
        doing: "holding",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Generation(GenerationVerb { about: "End the hold", reason: None, on_held: None }),
        column: None,
        command: &["history", "unhold"],
        key: None,
    }
    /// Keeps a released generation again.
    Reinstate {
        word: "reinstate",
        title: "Reinstate a released generation",
        doing: "reinstates",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Generation(GenerationVerb { about: "Keep a released generation again, while nothing was copied onto its volume", reason: None, on_held: None }),
        column: None,
        command: &["history", "reinstate"],
        key: None,
    }
    /// Takes the doubt from a generation.
    AcceptGeneration {
        word: "accept generation",
        title: "Accept a generation in doubt",
        doing: "accepting",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Generation(GenerationVerb { about: "Accept a generation in doubt that somebody checked (needs --reason, and the volume's name in --confirm)", reason: Some(NeededReason { of: "an accepted generation", question: "An accepted generation counts as a sound backup again. Who checked it, and how?" }), on_held: None }),
        column: None,
        command: &["history", "accept"],
        key: Some(VerbKey {
            binding: "accept",
            key: 'P',
            footer: None,
            help: "accept the selected generation in doubt, after somebody checked it",
        }),
    }
    /// Does what is proposed where the catalogue and the arrays disagree.
    Reconcile {
        word: "reconcile",
        title: "Reconcile catalogue and arrays",
        doing: "reconciles",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["reconcile"],
        key: None,
    }
    /// The other program has the volume again.
    GiveBack {
        word: "give back",
        title: "Give a volume back",
        doing: "gives back",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["reconcile", "release"],
        key: None,
    }
    SetPolicy {
        word: "set policy",
        title: "Set the policy",
        doing: "policy",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["policy", "set"],
        key: Some(VerbKey {
            binding: "policy",
            key: 'e',
            footer: None,
            help: "edit the policy: generations kept, days between backups, suspend or dissolve",
        }),
    }
    /// Runs the scripts after a backup again, for a generation that needs attention.
    PostProcess {
        word: "post-process",
        title: "Run the scripts after a backup again",
        doing: "post-proc.",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Generation(GenerationVerb { about: "Run the scripts after the backup again for a generation that needs attention", reason: None, on_held: None }),
        column: None,
        command: &["history", "post"],
        key: None,
    }
    /// Copies onto the backup volume of a version, which is released first.
    Overwrite {
        word: "overwrite",
        title: "Overwrite a generation",
        doing: "overwrites",
        role: Role::Operator,
        destroys: true,
        object: VerbObject::Other,
        column: Some(PairVerb::ResumeOnto),
        command: &["sync", "start"],
        key: None,
    }
    /// A one-point copy of a generation to another volume, or to its own.
    Restore {
        word: "restore",
        title: "Restore a generation",
        doing: "restoring",
        role: Role::Operator,
        destroys: true,
        object: VerbObject::Other,
        column: Some(PairVerb::Restore),
        command: &["restore"],
        key: Some(VerbKey {
            binding: "restore",
            key: 't',
            footer: None,
            help: "restore the selected generation to another volume, or to its own",
        }),
    }
    /// Copies a generation to a spare volume, compares its bytes, and gives the spare back.
    Practice {
        word: "practice",
        title: "Practise a restore",
        doing: "practising",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["practice"],
        key: None,
    }
    /// Ends a restore that runs, or takes the mark of one that did not end from its target.
    CancelRestore {
        word: "cancel restore",
        title: "Cancel a restore",
        doing: "cancelling",
        role: Role::Operator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["restore"],
        key: None,
    }
    Register {
        word: "register",
        title: "Register a volume",
        doing: "registers",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["volume", "add"],
        key: None,
    }
    Rename {
        word: "rename",
        title: "Rename a volume",
        doing: "renames",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["volume", "rename"],
        key: None,
    }
    Unregister {
        word: "unregister",
        title: "Take a volume out of the site",
        doing: "registers",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["volume", "remove"],
        key: None,
    }
    /// Stores a map set, or replaces the one of its name.
    ImportMap {
        word: "import map",
        title: "Import a map set",
        doing: "map",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["map", "import"],
        key: None,
    }
    /// Replaces a map set by an edit of it.
    EditMap {
        word: "edit map",
        title: "Edit a map set",
        doing: "map",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["map", "edit"],
        key: None,
    }
    RemoveMap {
        word: "remove map",
        title: "Remove a map set",
        doing: "map",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["map", "remove"],
        key: None,
    }
    /// Puts transaction volumes into a set.
    AddToSet {
        word: "add to set",
        title: "Add volumes to a set",
        doing: "set",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["set", "add"],
        key: None,
    }
    /// Takes transaction volumes out of a set, or removes it.
    RemoveFromSet {
        word: "remove from set",
        title: "Take volumes out of a set",
        doing: "set",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["set", "remove"],
        key: None,
    }
    /// Makes the site as it is written down in a file.
    ApplySite {
        word: "apply site",
        title: "Change the site",
        doing: "site",
        role: Role::Administrator,
        destroys: false,
        object: VerbObject::Other,
        column: None,
        command: &["site", "apply"],
        key: None,
    }
}

impl Verb {
    /// What is known of it as a verb of one generation; `None` for all others.
    pub const fn of_generation(self) -> Option<GenerationVerb> {
        match self.info().object {
            VerbObject::Generation(known) => Some(known),
            VerbObject::Volumes | VerbObject::Volume | VerbObject::Other => None,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.info().word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_descriptor_is_complete() {
        for verb in Verb::ALL {
            let info = verb.info();
            assert!(!info.word.is_empty() && !info.title.is_empty() && !info.command.is_empty(), "{verb:?}");
            assert!((1..=10).contains(&info.doing.len()), "{verb:?} does not fit its column: {}", info.doing);
            assert!(info.role >= Role::Operator, "{verb:?} changes something, so a viewer may not");
            assert!(info.key.is_none_or(|key| !key.help.is_empty()), "{verb:?}");
        }
    }

    #[test]
    fn words_titles_and_bindings_are_used_once() {
        fn once<'a>(all: impl Iterator<Item = &'a str>) -> bool {
            let mut seen = BTreeSet::new();
            all.into_iter().all(|one| seen.insert(one))
        }
        assert!(once(Verb::ALL.iter().map(|verb| verb.info().word)));
        assert!(once(Verb::ALL.iter().map(|verb| verb.info().title)));
        assert!(once(Verb::ALL.iter().filter_map(|verb| Some(verb.info().key?.binding))));
    }

    #[test]
    fn what_administers_the_site_wants_an_administrator() {
        let administrators: Vec<_> = Verb::ALL.iter().filter(|verb| verb.info().role == Role::Administrator).collect();
        let expected = [
            &Verb::AcceptGeneration,
            &Verb::Reconcile,
            &Verb::GiveBack,
            &Verb::SetPolicy,
            &Verb::Register,
            &Verb::Rename,
            &Verb::Unregister,
            &Verb::ImportMap,
            &Verb::EditMap,
            &Verb::RemoveMap,
            &Verb::AddToSet,
            &Verb::RemoveFromSet,
            &Verb::ApplySite,
        ];
        assert_eq!(administrators, expected);
    }

    #[test]
    fn a_role_is_given_by_its_word() {
        for role in [Role::Viewer, Role::Operator, Role::Administrator] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().unwrap_err().contains("viewer, operator or administrator"));
    }

    #[test]
    fn a_column_of_the_table_belongs_to_one_verb() {
        for column in PairVerb::ALL {
            let verbs: Vec<_> = Verb::ALL.iter().filter(|verb| verb.info().column == Some(column)).collect();
            assert_eq!(verbs.len(), 1, "{column}: {verbs:?}");
        }
    }
}
