//! `acarray`, `acinq`, `acgroup`, `acpair`: what there is.

use super::line::Line;
use super::output::{Output, Table};
use super::store::StoredGroup;
use super::{Answer, Emulation, Failure, Member};
use crate::driver::ccm::names::{GroupName, GroupType};
use crate::model::identity::{Olu, VolumeId};
use crate::model::session::{CopyKind, Pair};
use crate::model::units::Blocks;
use std::str::FromStr;

/// The embedded array has no address of its own.
const ADDRESS: &str = "192.0.2.1";

const VOLUME_TITLES: &[&str] =
    &["LV No", "LV Name", "LV Size", "LV Type", "RG No", "Encrypt", "Virtual Size", "Copy Inhibit"];

impl Emulation {
    pub(super) fn array_list(&self) -> Output {
        let rows = self
            .members
            .iter()
            .map(|member| vec![member.name.to_string(), member.box_id.as_str().to_owned(), ADDRESS.to_owned()])
            .collect();
        let table = Table { titles: &["Name", "BOX-ID", "IP Address"], rows };
        Output::Display { list: Vec::new(), table: Some(table) }
    }

    pub(super) fn array_detail(&self, line: &Line<'_>) -> Answer {
        let member = self.member(line.needed("-a"))?;
        let list = vec![
            ("Disk Array Name", member.name.to_string()),
            ("BOX-ID", member.box_id.as_str().to_owned()),
            ("IP Address", ADDRESS.to_owned()),
            ("Admin User", "emulation".to_owned()),
            ("Access Path", "-".to_owned()),
        ];
        Ok(Output::Display { list, table: None })
    }

    pub(super) async fn volumes(&self, line: &Line<'_>) -> Answer {
        let member = self.member(line.needed("-a"))?;
        let mut volumes =
            member.driver.volumes().await.map_err(|wrong| array_failed("STXVolume.LIST", &wrong.detail.escaped()))?;
        volumes.sort_by_key(|volume| volume.id);
        let rows = volumes
            .iter()
            .map(|volume| {
                vec![
                    format!("0x{:04x}", volume.id.olu.0),
                    volume.label.raw().to_owned(),
                    size(volume.blocks),
                    "Open".to_owned(),
                    "0".to_owned(),
                    "-".to_owned(),
                    "-".to_owned(),
                    "-".to_owned(),
                ]
            })
            .collect();
        // Without -l the last column is not there.
        let titles = if line.flag("-l") { VOLUME_TITLES } else { &VOLUME_TITLES[..7] };
        Ok(Output::Display { list: Vec::new(), table: Some(Table { titles, rows }) })
    }

    pub(super) fn group_create(&self, line: &Line<'_>) -> Answer {
        let name = line.needed("-g");
        let group_type = match line.needed("-type") {
            "EC" => GroupType::Ec,
            "REC" => GroupType::Rec,
            "OPC" => GroupType::Opc,
            _ => return Err(line.wrong()),
        };
        let arrays: Vec<String> = line.all("-a").map(str::to_owned).collect();
        let two = arrays.len() == 2 && arrays[0] != arrays[1];
        if GroupName::from_str(name).is_err() || two != (group_type == GroupType::Rec) {
            return Err(line.wrong());
        }
        for array in &arrays {
            self.member(array)?;
        }
        self.store.with(|groups| {
            if groups.contains_key(name) {
                return Err(Failure::new(4, format!("ccm4003 The copy group exists already. group={name}")));
            }
            groups.insert(name.to_owned(), StoredGroup::new(group_type, arrays));
            Ok(Output::Done)
        })
    }

    pub(super) fn group_delete(&self, line: &Line<'_>) -> Answer {
        let name = line.needed("-g");
        self.store.with(|groups| match groups.get(name) {
            None => Err(self.no_group(name)),
            Some(group) if !group.pairs.is_empty() => {
                Err(Failure::new(4, format!("ccm4004 The copy group has pairs. group={name}")))
            }
            Some(_) => {
                groups.remove(name);
                Ok(Output::Done)
            }
        })
    }

    pub(super) async fn pair_add(&self, line: &Line<'_>) -> Answer {
        let (name, text) = (line.needed("-g"), line.needed("-p"));
        let group = self.group(name)?;
        let pair = self.pair(text, group.group_type()).ok_or_else(|| line.wrong())?;
        let wanted = |id: VolumeId, at: usize| {
            let name = group.arrays.get(at).or(group.arrays.first())?;
            self.member(name).ok().filter(|member| member.box_id == id.box_id)
        };
        let (Some(source), Some(target)) = (wanted(pair.source, 0), wanted(pair.target, 1)) else {
            return Err(Failure::new(4, format!("ccm4005 The pair does not fit the copy group. pair={text}")));
        };
        if blocks(source, pair.source).await? != blocks(target, pair.target).await? {
            return Err(Failure::new(4, format!("ccm4006 The sizes of the logical volumes differ. pair={text}")));
        }
        self.store.with(|groups| {
            let group = groups.get_mut(name).ok_or_else(|| self.no_group(name))?;
            if group.pairs.contains(&pair) {
                return Err(Failure::new(4, format!("ccm4007 The pair exists already. pair={text}")));
            }
            group.pairs.push(pair);
            Ok(Output::Done)
        })
    }

    pub(super) async fn pair_remove(&self, line: &Line<'_>) -> Answer {
        let (name, text) = (line.needed("-g"), line.needed("-p"));
        let group = self.group(name)?;
        let pair = self.pair(text, group.group_type()).ok_or_else(|| line.wrong())?;
        let session = self.sessions_of(&[pair]).await?;
        if session.iter().any(Option::is_some) {
            return Err(Failure::new(4, format!("ccm4013 The pair has a session. pair={text}")));
        }
        self.store.with(|groups| {
            let group = groups.get_mut(name).ok_or_else(|| self.no_group(name))?;
            let before = group.pairs.len();
            group.pairs.retain(|member| *member != pair);
            if group.pairs.len() == before { Err(no_pair(text)) } else { Ok(Output::Done) }
        })
    }

    pub(super) fn no_group(&self, name: &str) -> Failure {
        let code = if self.profile.strict { "ccm4101" } else { "ccm4001" };
        Failure::new(4, format!("{code} The copy group does not exist. group={name}"))
    }

    pub(super) fn group(&self, name: &str) -> Result<StoredGroup, Failure> {
        self.store.with(|groups| groups.get(name).cloned().ok_or_else(|| self.no_group(name)))
    }

    /// `A/0x1:B/0x6` as a pair of that type's kind.
    pub(super) fn pair(&self, text: &str, group_type: GroupType) -> Option<Pair> {
        let volume = |text: &str| {
            let (array, olu) = text.rsplit_once('/')?;
            Some(VolumeId { box_id: self.member(array).ok()?.box_id, olu: olu.parse::<Olu>().ok()? })
        };
        let (source, target) = text.split_once(':')?;
        let (source, target) = (volume(source)?, volume(target)?);
        let kind = if group_type == GroupType::Opc { CopyKind::Opc } else { CopyKind::between(source, target) };
        Some(Pair { source, target, kind })
    }

    /// A pair as CCM writes it.
    pub(super) fn written(&self, pair: &Pair) -> String {
        format!("{}:{}", self.volume_written(pair.source), self.volume_written(pair.target))
    }

    /// A volume under its array's name, or under the box id of an array that this CCM does not know.
    pub(super) fn volume_written(&self, id: VolumeId) -> String {
        match self.member_of(id.box_id) {
            Some(member) => format!("{}/0x{:x}", member.name, id.olu.0),
            None => format!("{}/0x{:x}", id.box_id.as_str(), id.olu.0),
        }
    }
}

pub(super) fn no_pair(pair: &str) -> Failure {
    Failure::new(4, format!("ccm4002 The pair does not exist in the copy group. pair={pair}"))
}

/// A call of the array that failed as a whole.
pub(super) fn array_failed(function: &str, why: &str) -> Failure {
    Failure::new(5, format!("ccm5004 Operation failed. function={function}, message={why}"))
}

async fn blocks(member: &Member, id: VolumeId) -> Result<Blocks, Failure> {
    let volumes =
        member.driver.volumes().await.map_err(|wrong| array_failed("STXVolume.LIST", &wrong.detail.escaped()))?;
    volumes.iter().find(|volume| volume.id == id).map(|volume| volume.blocks).ok_or_else(|| {
        Failure::new(4, format!("ccm4008 The logical volume does not exist. volume={}/{}", member.name, id.olu))
    })
}

/// Whole units of 1024 where they fit, as `1024M` in the manuals.
fn size(blocks: Blocks) -> String {
    let bytes = blocks.bytes();
    match bytes {
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => format!("{}M", bytes >> 20),
        bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => format!("{}K", bytes >> 10),
        _ => "-".to_owned(),
    }
}
