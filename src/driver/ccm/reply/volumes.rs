//! `acinq lv -l`: the volumes of a box.

use super::ReplyError;
use crate::driver::ccm::word_table::{Column, Words};
use crate::driver::transport::argv::Argv;
use crate::model::identity::Olu;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;

/// One volume of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVolume {
    pub olu: Olu,
    pub label: Untrusted,
    /// `None` where CCM shows no size that can be read exactly: such a volume cannot be compared with another.
    pub blocks: Option<Blocks>,
    /// Its size as CCM wrote it.
    pub size: Untrusted,
    /// `Copy Inhibit`: whether copies to it are refused. `None` where CCM does not show the column.
    pub copy_inhibited: Option<bool>,
}

/// The volumes of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VolumeList {
    pub volumes: Vec<ListedVolume>,
    /// Lines without a volume number that could be read.
    pub odd: Vec<Untrusted>,
}

pub fn list(argv: &Argv, stdout: &[u8], words: &Words) -> Result<VolumeList, ReplyError> {
    let display = super::display(argv, stdout, words)?;
    let mut list = VolumeList::default();
    for row in &display.rows {
        let number = display.needed(row, Column::VolumeNumber, words)?;
        let olu = super::number(number).ok().flatten().and_then(|olu| u32::try_from(olu).ok());
        let Some(olu) = olu else {
            list.odd.push(super::row_words(row));
            continue;
        };
        let size = display.needed(row, Column::VolumeSize, words)?;
        let label = words.find(Column::VolumeName, row).filter(|name| *name != "-").unwrap_or_default();
        list.volumes.push(ListedVolume {
            olu: Olu(olu),
            label: label.into(),
            blocks: blocks(size),
            size: size.into(),
            copy_inhibited: words.find(Column::CopyInhibit, row).map(is_inhibited),
        });
    }
    list.volumes.sort_by_key(|volume| volume.olu);
    if let Some(twice) = list.volumes.windows(2).find(|two| two[0].olu == two[1].olu) {
        return Err(display.wrong(format!("volume {} is in it twice", twice[0].olu)));
    }
    Ok(list)
}

/// A word that is not surely a "no" counts as "yes".
fn is_inhibited(word: &str) -> bool {
    let word = word.trim_matches('"').to_ascii_lowercase();
    !matches!(word.as_str(), "no" | "off" | "-" | "" | "n/a" | "none")
}

/// `1024M`, `1024.00MB`, `1 GiB`: whole units of 1024. The manuals show `M`; the other letters are its sisters. Other digits
/// behind a point than zeros are rounded, and no size to compare by.
fn blocks(text: &str) -> Option<Blocks> {
    let text = text.trim().trim_end_matches("iB").trim_end_matches('B').trim_end();
    let letter = text.chars().last()?;
    let shift = match letter.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    let digits = text[..text.len() - letter.len_utf8()].trim();
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let bytes = whole.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    Blocks::from_bytes(bytes).filter(|blocks| blocks.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::command;

    #[test]
    fn the_volumes_of_the_manual_are_read() {
        let argv = command::list_volumes(&"KYOTO1".parse().unwrap());
        let words = Words::with(&[]).unwrap();
        let list = list(&argv, include_bytes!("../../../../tests/rules/ccm/acinq-lv.xml"), &words).unwrap();
        let seen: Vec<_> = list.volumes.iter().map(|v| (v.olu.0, v.label.raw(), v.blocks)).collect();
        assert_eq!(
            seen,
            [
                (0x11, "ORA01", Some(Blocks::from_mib(192))),
                (0x21, "", Some(Blocks::from_mib(192))),
                (0x22, "pool two", Some(Blocks::from_mib(1 << 20))),
                (0x30, "snap", None),
            ]
        );
    }

    #[test]
    fn a_size_that_is_not_exact_is_no_size() {
        for (text, mib) in [("1024M", 1024), ("1024.00MB", 1024), ("1.00 GB", 1024), ("2GiB", 2048), ("1T", 1 << 20)] {
            assert_eq!(blocks(text), Some(Blocks::from_mib(mib)), "{text}");
        }
        assert_eq!(blocks("64KB"), Some(Blocks(128)));
        for unclear in [
            "",
            "-",
            "192",
            "1.5G",
            "1.33G",
            "1.M",
            ".0G",
            "M",
            "0M",
            "192Q",
            "1,024M",
            "99999999999999T",
            "１M",
            "1.0000001G",
            "-1M",
        ] {
            assert_eq!(blocks(unclear), None, "{unclear}");
        }
    }

    #[test]
    fn copy_inhibit_is_read_and_what_is_no_clear_no_counts_as_yes() {
        let argv = command::list_volumes(&"KYOTO1".parse().unwrap());
        let words = Words::with(&[]).unwrap();
        let list = |word: &str| {
            let row = format!(
                "<Row><Data id=\"LV No\">0x1</Data><Data id=\"LV Size\">1M</Data>{word}</Row><Row><Data id=\"LV No\">one</Data></Row>"
            );
            let text = format!("<Response><ReturnCode>0</ReturnCode><Message/><Table>{row}</Table></Response>");
            super::list(&argv, text.as_bytes(), &words).unwrap()
        };
        let inhibited =
            |word: &str| list(&format!("<Data id=\"Copy Inhibit\">{word}</Data>")).volumes[0].copy_inhibited;
        for (word, wanted) in [("Yes", true), ("ON", true), ("はい", true), ("No", false), ("-", false)] {
            assert_eq!(inhibited(word), Some(wanted), "{word}");
        }
        let without = list("");
        assert_eq!(
            (without.volumes[0].copy_inhibited, without.odd.len()),
            (None, 1),
            "one odd line, and the others are read"
        );
    }
}
