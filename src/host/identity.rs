//! The identity of the volume group on a copy: reading LVM's text of it, and restoring the one of the backup volume's group.
//!
//! The restore is one sequence that is started again from the top, however far an earlier run came: remove the label,
//! write the physical volume's, restore the group's text, look. Each command sees this one disk only, and waits for no lock.

use super::report::{ReportsItself, duplicates_line, groups_line, read_duplicates, read_groups};
use crate::model::lvm_text::{self, GroupIdentity};
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{BackupGroup, GroupCopy, RegisteredGroup};
use serde::Deserialize;

/// What LVM must not do: wait for a lock, and keep files of its own of what is restored.
const CONFIG: &str = "global { wait_for_locks=0 } backup { backup=0 archive=0 }";
/// What `wipefs` calls the label of a physical volume.
const LVM_LABEL: &str = "LVM2_member";

/// A disk on its host.
#[derive(Clone, Copy)]
pub struct CopyDisk<'a> {
    pub host: &'a dyn ReportsItself,
    /// Found by its WWID just now.
    pub device: &'a str,
}

impl CopyDisk<'_> {
    async fn run(&self, words: &[&str], as_root: bool, input: Option<&str>) -> Result<String, String> {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let printed = self.host.call(words, as_root, input.map(|text| text.as_bytes().to_vec())).await?;
        String::from_utf8(printed).map_err(|_| "what a tool printed is no UTF-8".to_owned())
    }

    async fn lvm(&self, words: &[&str]) -> Result<String, String> {
        let mut line = vec!["lvm", words[0], "--config", CONFIG, "--devices", self.device];
        line.extend(&words[1..]);
        self.run(&line, true, None).await
    }

    /// The array wrote the disk beneath the host: what the host keeps of it in memory is old.
    async fn forget_old_blocks(&self) -> Result<(), String> {
        self.run(&["blockdev", "--flushbufs", self.device], true, None).await.map(|_| ())
    }

    /// The identity in the label of the physical volume; `None`: nothing at all is on the disk that has a name.
    async fn label(&self) -> Result<Option<String>, String> {
        let printed = self.run(&["wipefs", "--json", self.device], true, None).await?;
        label(&printed).map_err(|why| format!("{}: {why}", self.device))
    }

    /// Reads the text of the group on the copy, and gives it the identity of the backup volume's group. Writes nothing.
    ///
    /// # Errors
    /// One sentence, when the disk has not the transaction volume's group on it, or its text is not understood.
    pub async fn read(&self, transaction: &RegisteredGroup, backup: &BackupGroup) -> Result<GroupCopy, String> {
        self.forget_old_blocks().await?;
        let label = self.label().await?;
        let dumped =
            self.run(&["lvm", "pvck", "--config", CONFIG, "--dump", "metadata", self.device], true, None).await?;
        let text = between_marks(&dumped).ok_or("lvm pvck shows no text of a group")?;
        let found = lvm_text::read(text)?;
        if found.identity.uuid != transaction.uuid {
            let name = found.identity.name.as_str();
            return Err(format!("{} has the group {name} on it, and not a copy of {transaction}", self.device));
        }
        if label.as_deref() != Some(found.identity.physical.as_str()) {
            return Err(format!("the label of {} is not that of the group on it", self.device));
        }
        let text = lvm_text::under_identity(text, &backup.identity, self.device)?;
        Ok(GroupCopy { copied: found.identity, identity: backup.identity.clone(), text })
    }

    /// Writes the kept text, and looks whether LVM now sees it so. It may be repeated.
    ///
    /// # Errors
    /// One sentence with what failed. The disk may then have a half of either identity; a repetition is what helps.
    pub async fn restore(&self, copy: &GroupCopy) -> Result<(), String> {
        self.forget_old_blocks().await?;
        let ours = [copy.copied.physical.as_str(), copy.identity.physical.as_str()];
        if let Some(other) = self.label().await?.filter(|found| !ours.contains(&found.as_str())) {
            let other = Untrusted::new(other).escaped();
            return Err(format!("{} has the physical volume {other} on it: nothing was written", self.device));
        }
        let folder = self.run(&["mktemp", "-d"], false, None).await?;
        let folder = folder.trim();
        if !folder.starts_with('/') || folder.contains(char::is_whitespace) {
            return Err("mktemp gives no folder".to_owned());
        }
        let file = format!("{folder}/group");
        let written = self.write(copy, &file).await;
        let removed = self.run(&["rm", "-r", "--", folder], false, None).await;
        written?;
        removed?;
        self.verify(copy).await
    }

    async fn write(&self, copy: &GroupCopy, file: &str) -> Result<(), String> {
        let GroupIdentity { name, physical, .. } = &copy.identity;
        self.run(&["tee", "--", file], false, Some(&copy.text)).await?;
        // Without this first, a run that was killed within pvcreate leaves a label that pvcreate refuses for ever.
        self.run(&["wipefs", "--all", "--quiet", self.device], true, None).await?;
        let restore = ["--uuid", physical.as_str(), "--restorefile", file];
        self.lvm(&[&["pvcreate", "-ff", "-y"], &restore[..], &[self.device]].concat()).await?;
        self.lvm(&["vgcfgrestore", "-y", "-f", file, name.as_str()]).await?;
        self.forget_old_blocks().await
    }

    /// Whether LVM sees the group as it was written, on this disk, and nothing twice.
    async fn verify(&self, copy: &GroupCopy) -> Result<(), String> {
        let wanted = lvm_text::read(&copy.text)?;
        let mut line = groups_line();
        line.extend(["--devices", self.device]);
        let groups = read_groups(self.run(&line, true, None).await?.as_bytes())?;
        let [group] = &groups[..] else {
            return Err(format!("LVM sees {} groups on {} where one belongs", groups.len(), self.device));
        };
        let identity = &wanted.identity;
        let mut names: Vec<&str> = group.logical.iter().map(|(name, ..)| name.raw()).collect();
        names.sort_unstable();
        let physical: Vec<&str> = group.physical.iter().map(|row| row.pv_uuid.raw()).collect();
        if group.name.raw() != identity.name.as_str()
            || group.uuid.raw() != identity.uuid.as_str()
            || physical != [identity.physical.as_str()]
            || names != wanted.logical_volumes
        {
            return Err(format!("LVM does not see {} on {} as it was written", identity.name.as_str(), self.device));
        }
        let twice = read_duplicates(self.run(&duplicates_line(), true, None).await?.as_bytes())?;
        let ours = [copy.copied.physical.as_str(), identity.physical.as_str()];
        match twice.iter().find(|row| ours.contains(&row.uuid.raw())) {
            Some(row) => Err(format!("LVM still sees {} twice", row.uuid.escaped())),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Signatures {
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(rename = "type")]
    kind: String,
    uuid: Option<String>,
}

/// What `wipefs --json` shows; it prints nothing when there is nothing.
fn label(printed: &str) -> Result<Option<String>, String> {
    if printed.trim().is_empty() {
        return Ok(None);
    }
    let Signatures { signatures } =
        serde_json::from_str(printed).map_err(|error| format!("the output of wipefs cannot be read: {error}"))?;
    match &signatures[..] {
        [] => Ok(None),
        [one] if one.kind == LVM_LABEL => {
            one.uuid.clone().map(Some).ok_or_else(|| "its LVM label has no identity".to_owned())
        }
        others => {
            let kinds: Vec<String> = others.iter().map(|one| Untrusted::from(one.kind.as_str()).escaped()).collect();
            Err(format!("it holds {} where one LVM label belongs: nothing was written", kinds.join(", ")))
        }
    }
}

/// `lvm pvck --dump metadata` puts the text between two lines of marks.
fn between_marks(dumped: &str) -> Option<&str> {
    const MARK: &str = "\n  ---\n";
    let start = dumped.find(MARK)? + MARK.len();
    let end = dumped.rfind(MARK)?;
    dumped.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_one_of_lvm_or_none() {
        let one = r#"{"signatures":[{"device":"sdb","offset":"0x218","type":"LVM2_member","uuid":"38x5QW-2FEV","label":null}]}"#;
        assert_eq!(label(one), Ok(Some("38x5QW-2FEV".to_owned())));
        assert_eq!(label(" \n"), Ok(None));
        assert_eq!(label(r#"{"signatures":[]}"#), Ok(None));
        assert!(label(&one.replace("LVM2_member", "ext4")).unwrap_err().contains("ext4"));
        assert!(label(&one.replace("\"38x5QW-2FEV\"", "null")).is_err());
        assert!(label("{").is_err());
    }

    #[test]
    fn the_text_lies_between_the_marks() {
        let dumped = "  metadata text at 7168 crc 0xc4 # vgname vg01 seqno 3\n  ---\nvg01 {\n}\n\n  ---\n";
        assert_eq!(between_marks(dumped), Some("vg01 {\n}\n"));
        for none in ["", "  ---\n", "x\n  ---\n"] {
            assert_eq!(between_marks(none), None, "{none}");
        }
    }
}
