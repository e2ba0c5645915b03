//! The other side: CCM's commands as the manuals show them, on top of any driver, which in practice is the embedded array.
//!
//! It belongs to tests and training, so that console, engine, driver, ssh and command line can be exercised whole. What its
//! answers take from the manuals and what is inferred stands in [`HELP`]. Real arrays never meet it.

mod copies;
pub mod executable;
mod inventory;
mod line;
mod output;
pub mod profile;
mod store;
mod transport;

pub use store::{Store, StoreError};
pub use transport::InProcess;

use crate::driver::Driver;
use crate::driver::ccm::names::ArrayName;
use crate::driver::transport::RawReply;
use crate::model::identity::BoxId;
use line::{Asked, Line};
use output::Output;
use profile::Profile;
use std::sync::Arc;

/// What the executable says of itself.
pub const HELP: &str = "\
ccm-emulation: an EMULATION of AdvancedCopy Manager CCM's commands on ecdeck's embedded array.
It is for tests and training. It is not Fujitsu's program and drives no real array.

Usage: ccm-emulation COMMAND ...      or a link to it that is named like the command
       acarray list | detail -a ARRAY
       acinq lv -a ARRAY [-l]
       acgroup create -g GROUP -type OPC|EC|REC -a ARRAY [-a ARRAY] | delete -g GROUP
       acpair add | remove -g GROUP -p PAIR
       acec start | query | suspend | resume | reverse | change | cancel -g GROUP [-p PAIR] ...
       acopc start | query | cancel -g GROUP [-p PAIR]
       accopy query -a ARRAY -type local|remote|odx|all | -a ARRAY -sa ARRAY -ta ARRAY
       Each takes -xml.
       ccm-emulation install FOLDER HOME [--profile strict] [--seed N] [--busy N] [--delay MS]
                                              makes links named like the commands, for the arrays of an ECDECK_HOME
       ccm-emulation rename GROUP GROUP       gives a copy group another name, as somebody else may do

--profile strict is as unkind as the manuals allow: resume by `acec resume` only, reasons in words and not in codes, other
titles of columns, an estimation of updates without a target, a reversed pair shown the other way round, a REC in consistency
mode ended by force only, another code for a group that does not exist, and one command in N refused as busy under a seed.

It works on the running arrays of ECDECK_HOME (ECDECK_DEMO=1: those of the demonstration), or of the home that the file
ccm-emulation.home beside a link names, because ssh and sudo pass no environment on.

From the manuals: the commands above but those named below, their -g, -a, -p (of start and query), -type, -transfer, -split,
-recovery, -xml; the XML forms; the text tables; the words \"EC action not startup\", \"EC Executing\", \"Not set\", \"Copying\",
\"Paired\", \"Tracking\", \"Copying/Tracking\", \"Readying\"; codes 0, 1, 6, 8; ccm1001, ccm4012, ccm4014, ccm5004, ccm8003.
Inferred: acgroup delete; acpair remove; -p of suspend, resume, reverse, change and cancel; -force of acec; the words for
suspended, halted and stopped by an error and all words of REC; that `acec start` goes on with a suspended session; <== for a reversed copy; the columns of accopy query after the
first; the array's code inside the text of ccm5004; which ccm code a missing group or pair has (ccm4001, ccm4002); that acec
change leaves alone what it does not name; that a reversed pair is turned back by naming it the other way round (-p B:A).
Not offered: acsnap, QuickOPC, -r, -skip, -concur, -progress, parts of volumes, acarray add and remove, acinhibit.
";

/// One array as this CCM knows it.
#[derive(Clone)]
pub struct Member {
    pub name: ArrayName,
    pub box_id: BoxId,
    pub driver: Arc<dyn Driver>,
}

/// A CCM server with its arrays and its groups.
pub struct Emulation {
    members: Vec<Member>,
    store: Arc<Store>,
    profile: Profile,
}

/// What a command leads to: an answer in either form and an exit status.
pub(super) type Answer = Result<Output, Failure>;

/// A command that failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub code: i32,
    pub message: String,
    pub usage: Option<&'static str>,
}

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), usage: None }
    }
}

impl Emulation {
    pub fn new(members: Vec<Member>, store: Store) -> Self {
        Self { members, store: Arc::new(store), profile: Profile::default() }
    }

    /// Another CCM with the same arrays and groups, as kind as that profile.
    #[must_use]
    pub fn again(&self, profile: Profile) -> Self {
        Self { members: self.members.clone(), store: Arc::clone(&self.store), profile }
    }

    /// The same, as kind as that profile.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Gives a copy group another name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn rename_group(&self, from: &str, to: &str) -> Result<(), String> {
        let renamed = self.store.with(|groups| {
            let group = groups.remove(from).ok_or_else(|| self.no_group(from))?;
            groups.insert(to.to_owned(), group);
            Ok(())
        });
        renamed.map_err(|failure| failure.message)
    }

    /// Runs one command line; the first word is the program.
    pub async fn run<S: AsRef<str>>(&self, words: &[S]) -> RawReply {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let xml = words.last() == Some(&"-xml");
        let answer = match Line::read(&words) {
            Ok(line) => self.answer(&line).await,
            Err(failure) => Err(failure),
        };
        output::render(answer, xml)
    }

    async fn answer(&self, line: &Line<'_>) -> Answer {
        if !self.profile.delay.is_zero() {
            tokio::time::sleep(self.profile.delay).await;
        }
        if self.profile.busy_one_in > 0 {
            self.profile.admit(self.store.next_number())?;
        }
        match line.asked {
            Asked::ArrayList => Ok(self.array_list()),
            Asked::ArrayDetail => self.array_detail(line),
            Asked::Volumes => self.volumes(line).await,
            Asked::GroupCreate => self.group_create(line),
            Asked::GroupDelete => self.group_delete(line),
            Asked::PairAdd => self.pair_add(line).await,
            Asked::PairRemove => self.pair_remove(line).await,
            Asked::Query => self.query(line).await,
            Asked::AllCopies => self.all_copies(line).await,
            Asked::Start | Asked::Suspend | Asked::Resume | Asked::Reverse | Asked::Change | Asked::Cancel => {
                self.execute(line).await
            }
        }
    }

    pub(super) fn member(&self, name: &str) -> Result<&Member, Failure> {
        self.members
            .iter()
            .find(|member| member.name.as_str() == name || member.box_id.as_str() == name)
            .ok_or_else(|| Failure::new(4, format!("ccm4000 The specified array is not registered. array={name}")))
    }

    pub(super) fn member_of(&self, box_id: BoxId) -> Option<&Member> {
        self.members.iter().find(|member| member.box_id == box_id)
    }
}
