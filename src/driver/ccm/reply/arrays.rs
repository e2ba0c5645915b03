//! `acarray list` and `acarray detail`: the arrays that a CCM server knows.

use super::{Display, ReplyError};
use crate::driver::ccm::word_table::{Column, Words};
use crate::driver::ccm::xml::Field;
use crate::driver::transport::argv::Argv;
use crate::model::identity::BoxId;
use crate::model::untrusted::Untrusted;

/// One array as CCM knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownArray {
    pub name: Untrusted,
    pub box_id: BoxId,
    pub address: Untrusted,
}

pub fn list(argv: &Argv, stdout: &[u8], words: &Words) -> Result<Vec<KnownArray>, ReplyError> {
    let display = super::display(argv, stdout, words)?;
    display.rows.iter().map(|row| array(&display, row, words)).collect()
}

pub fn detail(argv: &Argv, stdout: &[u8], words: &Words) -> Result<KnownArray, ReplyError> {
    let display = super::display(argv, stdout, words)?;
    array(&display, &display.list, words)
}

fn array(display: &Display, fields: &[Field], words: &Words) -> Result<KnownArray, ReplyError> {
    Ok(KnownArray {
        name: display.needed(fields, Column::ArrayName, words)?.into(),
        box_id: box_id(display, display.needed(fields, Column::BoxId, words)?)?,
        address: words.find(Column::Address, fields).unwrap_or_default().into(),
    })
}

fn box_id(display: &Display, text: &str) -> Result<BoxId, ReplyError> {
    text.parse().map_err(|wrong| display.wrong(format!("BOX-ID {text:?}: {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::command;

    #[test]
    fn the_list_and_the_detail_of_the_manual_are_read() {
        let words = Words::with(&[]).unwrap();
        let arrays =
            list(&command::list_arrays(), include_bytes!("../../../../tests/rules/ccm/acarray-list.xml"), &words)
                .unwrap();
        assert_eq!(arrays.len(), 2);
        assert_eq!(arrays[1].name.raw(), "NARA-2");
        let argv = command::array_detail(&"KYOTO1".parse().unwrap());
        let one = detail(&argv, include_bytes!("../../../../tests/rules/ccm/acarray-detail.xml"), &words).unwrap();
        assert_eq!(one, arrays[0]);
    }

    #[test]
    fn a_refusal_names_the_command_and_the_code() {
        let words = Words::with(&[]).unwrap();
        let lock_file = include_bytes!("../../../../tests/rules/ccm/lock-file.xml");
        let error = list(&command::list_arrays(), lock_file, &words).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("acarray list -xml") && text.contains("ccm8003"), "{text}");
    }
}
