//! `acinq lv -l`: the volumes of a box.

use super::ReplyError;
use crate::driver::ccm::command::Argv;
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
}

pub fn list(argv: &Argv, stdout: &[u8]) -> Result<Vec<ListedVolume>, ReplyError> {
    let display = super::display(argv, stdout)?;
    let mut volumes = Vec::with_capacity(display.rows.len());
    for row in &display.rows {
        let number = display.needed(row, "LV No")?;
        let olu = super::number(number)
            .ok()
            .flatten()
            .and_then(|olu| u32::try_from(olu).ok())
            .ok_or_else(|| display.wrong(format!("LV No {number:?} is not a volume number")))?;
        let label = super::value(row, "LV Name").filter(|name| *name != "-").unwrap_or_default();
        volumes.push(ListedVolume {
            olu: Olu(olu),
            label: label.into(),
            blocks: size(display.needed(row, "LV Size")?),
        });
    }
    volumes.sort_by_key(|volume| volume.olu);
    if let Some(twice) = volumes.windows(2).find(|two| two[0].olu == two[1].olu) {
        return Err(display.wrong(format!("volume {} is in it twice", twice[0].olu)));
    }
    Ok(volumes)
}

/// `1024M`: whole units of 1024. The manuals show `M`; the other letters are its sisters.
fn size(text: &str) -> Option<Blocks> {
    let text = text.trim().trim_end_matches("iB").trim_end_matches('B');
    let letter = text.chars().last()?;
    let shift = match letter.to_ascii_uppercase() {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        'T' => 40,
        _ => return None,
    };
    let digits = text[..text.len() - letter.len_utf8()].trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bytes = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    Blocks::from_bytes(bytes).filter(|blocks| blocks.0 > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::command;

    #[test]
    fn the_volumes_of_the_manual_are_read() {
        let argv = command::list_volumes(&"KYOTO1".parse().unwrap());
        let volumes = list(&argv, include_bytes!("../../../../tests/rules/ccm/acinq-lv.xml")).unwrap();
        let seen: Vec<_> = volumes.iter().map(|v| (v.olu.0, v.label.raw(), v.blocks)).collect();
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
        assert_eq!(size("64KB"), Some(Blocks(128)));
        for unclear in ["", "-", "192", "1.5G", "M", "0M", "192Q", "1,024M", "99999999999999T", "１M"] {
            assert_eq!(size(unclear), None, "{unclear}");
        }
    }
}
