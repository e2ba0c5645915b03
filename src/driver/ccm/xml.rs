//! CCM's XML, read with a pull parser: one `Response` and nothing else. What is not exactly that is an error.
//!
//! The grammar is that of the manuals' appendix on XML formats:
//! `Response` holds `ReturnCode`, `Message`, then `List` and `Table`, or `ResultList`.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use std::borrow::Cow;
use std::fmt::Write;

/// One answer of a CCM command, taken apart but not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The format's version; 14.1 has none.
    pub version: Option<String>,
    pub code: i32,
    pub message: String,
    /// The list part of a display command.
    pub list: Option<Vec<Field>>,
    /// The table part of a display command.
    pub table: Option<Vec<Vec<Field>>>,
    /// The per-object results of an execution command.
    pub results: Option<Vec<ObjectResult>>,
}

/// A `Data` element: a column of a row, or a line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub id: String,
    pub value: String,
}

/// A `Result` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectResult {
    pub object: String,
    pub succeeded: bool,
    pub message: String,
    pub detail: String,
}

/// Why an answer is not CCM's XML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at byte {at} of {length}")]
pub struct XmlError {
    pub what: String,
    pub at: u64,
    pub length: usize,
}

/// Reads one answer. Needs all of it: what is cut off, goes on, or nests otherwise is refused.
pub fn read(bytes: &[u8]) -> Result<Response, XmlError> {
    Pull::new(&text_of(bytes)).document()
}

/// The bytes as text. One that is no UTF-8, as in a volume's name that a Japanese host gave, becomes `\xa4`: nothing is lost
/// and nothing of the rest is refused for it.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 64);
    // Two bytes of another encoding may be a letter of UTF-8 by chance: what stands together is one or the other.
    for run in bytes.chunk_by(|one, next| one.is_ascii() == next.is_ascii()) {
        match std::str::from_utf8(run) {
            Ok(run) => text.push_str(run),
            Err(_) => run.iter().for_each(|byte| {
                let _ = write!(text, "\\x{byte:02x}");
            }),
        }
    }
    Cow::Owned(text)
}

/// Whether the markup of XML stands in such a text as it does in ASCII: then everything but names can be read.
fn is_like_ascii(encoding: &str) -> bool {
    let name: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let exact =
        ["utf8", "usascii", "ascii", "eucjp", "shiftjis", "sjis", "windows31j", "ms932", "cp932", "euckr", "gb2312"];
    exact.contains(&name.as_str()) || name.starts_with("iso8859") || name.starts_with("windows125")
}

/// What the pull parser gives, with empty elements as a pair and entities already resolved.
enum Token {
    Open { name: String, attribute: Option<Field> },
    Close,
    Text(String),
    End,
}

struct Pull<'a> {
    reader: Reader<&'a [u8]>,
    length: usize,
    begun: bool,
}

impl<'a> Pull<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().check_comments = true;
        Self { reader, length: text.len(), begun: false }
    }

    fn error(&self, what: impl Into<String>) -> XmlError {
        XmlError { what: what.into(), at: self.reader.buffer_position(), length: self.length }
    }

    fn document(mut self) -> Result<Response, XmlError> {
        let version = match self.next_in_element()? {
            Token::Open { name, attribute } if name == "Response" => self.version(attribute)?,
            Token::Open { name, .. } => {
                return Err(self.error(format!("it begins with {name:?} and not with Response")));
            }
            Token::Text(_) | Token::Close => return Err(self.error("there is text before the first element")),
            Token::End => return Err(self.error("there is no element in it")),
        };
        let code = self.leaf("ReturnCode")?;
        let code = code.trim().parse().map_err(|_| self.error(format!("ReturnCode {code:?} is not a number")))?;
        let message = self.leaf("Message")?;
        let mut response = Response { version, code, message, list: None, table: None, results: None };
        while let Some(part) = self.child("Response")? {
            match part.as_str() {
                "List" if response.list.is_none() => response.list = Some(self.fields("List")?),
                "Table" if response.table.is_none() => response.table = Some(self.rows()?),
                "ResultList" if response.results.is_none() => response.results = Some(self.results()?),
                "List" | "Table" | "ResultList" => return Err(self.error(format!("there is a second {part}"))),
                other => return Err(self.error(format!("{other:?} is unknown in Response"))),
            }
        }
        match self.next_in_element()? {
            Token::End => Ok(response),
            _ => Err(self.error("there is more after the end of Response")),
        }
    }

    fn version(&self, attribute: Option<Field>) -> Result<Option<String>, XmlError> {
        match attribute {
            None => Ok(None),
            Some(field) if field.id == "version" && field.value == "1.0" => Ok(Some(field.value)),
            Some(field) if field.id == "version" => {
                Err(self.error(format!("its format version {:?} is not 1.0", field.value)))
            }
            Some(field) => Err(self.error(format!("attribute {:?} is unknown in Response", field.id))),
        }
    }

    fn rows(&mut self) -> Result<Vec<Vec<Field>>, XmlError> {
        let mut rows = Vec::new();
        while let Some(name) = self.child("Table")? {
            if name != "Row" {
                return Err(self.error(format!("{name:?} is unknown in Table")));
            }
            rows.push(self.fields("Row")?);
        }
        Ok(rows)
    }

    /// The `Data` elements up to the end of `parent`; each id once.
    fn fields(&mut self, parent: &str) -> Result<Vec<Field>, XmlError> {
        let mut fields: Vec<Field> = Vec::new();
        loop {
            match self.element_or_end(parent)? {
                None => return Ok(fields),
                Some((name, Some(attribute))) if name == "Data" && attribute.id == "id" => {
                    let id = attribute.value;
                    let value = self.content("Data")?;
                    if fields.iter().any(|field| field.id == id) {
                        return Err(self.error(format!("{id:?} is twice in one {parent}")));
                    }
                    fields.push(Field { id, value });
                }
                Some((name, _)) if name == "Data" => return Err(self.error("a Data element has no id")),
                Some((name, _)) => return Err(self.error(format!("{name:?} is unknown in {parent}"))),
            }
        }
    }

    fn results(&mut self) -> Result<Vec<ObjectResult>, XmlError> {
        let mut results = Vec::new();
        while let Some(name) = self.child("ResultList")? {
            if name != "Result" {
                return Err(self.error(format!("{name:?} is unknown in ResultList")));
            }
            results.push(self.result()?);
        }
        Ok(results)
    }

    fn result(&mut self) -> Result<ObjectResult, XmlError> {
        let object = self.leaf("Object")?;
        let status = self.leaf("Status")?;
        let succeeded = match status.trim() {
            "Succeeded" => true,
            "Failed" => false,
            _ => return Err(self.error(format!("Status {status:?} is neither Succeeded nor Failed"))),
        };
        let message = self.leaf("Message")?;
        let mut detail = String::new();
        if let Some(name) = self.child("Result")? {
            if name != "Detail" {
                return Err(self.error(format!("{name:?} is unknown in Result")));
            }
            detail = self.content("Detail")?;
            if let Some(name) = self.child("Result")? {
                return Err(self.error(format!("{name:?} is unknown after Detail")));
            }
        }
        Ok(ObjectResult { object: object.trim().to_owned(), succeeded, message, detail })
    }

    /// The text of the next element, which must have that name.
    fn leaf(&mut self, wanted: &str) -> Result<String, XmlError> {
        match self.next_in_element()? {
            Token::Open { name, attribute: None } if name == wanted => self.content(wanted),
            Token::Open { name, attribute: None } => Err(self.error(format!("{name:?} stands where {wanted} belongs"))),
            Token::Open { name, .. } => Err(self.error(format!("{name} has an attribute"))),
            Token::Close | Token::Text(_) | Token::End => Err(self.error(format!("{wanted} is missing"))),
        }
    }

    /// The name of the next element in `parent`, or `None` at its end. An attribute is refused.
    fn child(&mut self, parent: &str) -> Result<Option<String>, XmlError> {
        match self.element_or_end(parent)? {
            None => Ok(None),
            Some((name, None)) => Ok(Some(name)),
            Some((name, Some(_))) => Err(self.error(format!("{name:?} has an attribute"))),
        }
    }

    fn element_or_end(&mut self, parent: &str) -> Result<Option<(String, Option<Field>)>, XmlError> {
        match self.next_in_element()? {
            Token::Open { name, attribute } => Ok(Some((name, attribute))),
            Token::Close => Ok(None),
            Token::Text(_) => Err(self.error(format!("there is text in {parent}"))),
            Token::End => Err(self.error(format!("it ends within {parent}"))),
        }
    }

    /// The text up to the end of a leaf.
    fn content(&mut self, leaf: &str) -> Result<String, XmlError> {
        let mut text = String::new();
        loop {
            match self.token()? {
                Token::Text(part) => text.push_str(&part),
                Token::Close => return Ok(text),
                Token::Open { name, .. } => return Err(self.error(format!("{name:?} stands within {leaf}"))),
                Token::End => return Err(self.error(format!("it ends within {leaf}"))),
            }
        }
    }

    /// The next token that is not white space between elements.
    fn next_in_element(&mut self) -> Result<Token, XmlError> {
        loop {
            match self.token()? {
                Token::Text(text) if text.trim().is_empty() => {}
                token => return Ok(token),
            }
        }
    }

    fn token(&mut self) -> Result<Token, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|wrong| self.error(wrong.to_string()))?;
            let token = match event {
                Event::Start(start) => self.open(&start)?,
                Event::End(_) => Token::Close,
                Event::Text(text) => Token::Text(text.xml_content(XmlVersion::Implicit1_0).into_owned()),
                Event::CData(text) => Token::Text(text.xml_content(XmlVersion::Implicit1_0).into_owned()),
                Event::GeneralRef(reference) => Token::Text(self.entity(&reference)?),
                Event::Eof => Token::End,
                Event::Comment(_) => continue,
                Event::Decl(declaration) if !self.begun => {
                    self.begun = true;
                    if let Some(encoding) = declaration.encoding() {
                        let encoding = encoding.map_err(|wrong| self.error(wrong.to_string()))?;
                        if !is_like_ascii(encoding.as_ref()) {
                            return Err(self.error(format!("its encoding {encoding:?} is none that can be read")));
                        }
                    }
                    continue;
                }
                Event::Decl(_) => return Err(self.error("the XML declaration is not at the beginning")),
                Event::Empty(_) | Event::PI(_) | Event::DocType(_) => {
                    return Err(self.error("a processing instruction or document type is in it"));
                }
            };
            self.begun = true;
            return Ok(token);
        }
    }

    fn open(&self, start: &BytesStart<'_>) -> Result<Token, XmlError> {
        let mut attributes = start.attributes();
        let attribute = match attributes.next() {
            None => None,
            Some(attribute) => {
                let attribute = attribute.map_err(|wrong| self.error(wrong.to_string()))?;
                let value = attribute
                    .normalized_value(XmlVersion::Implicit1_0)
                    .map_err(|wrong| self.error(wrong.to_string()))?;
                Some(Field { id: attribute.key.0.to_owned(), value: value.into_owned() })
            }
        };
        if attributes.next().is_some() {
            return Err(self.error(format!("{:?} has more than one attribute", start.name().0)));
        }
        Ok(Token::Open { name: start.name().0.to_owned(), attribute })
    }

    fn entity(&self, reference: &quick_xml::events::BytesRef<'_>) -> Result<String, XmlError> {
        let resolved = match &**reference {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            other => match reference.resolve_char_ref() {
                Ok(Some(c)) => c,
                _ => return Err(self.error(format!("&{other}; is no entity of XML"))),
            },
        };
        Ok(resolved.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARTIAL: &str = include_str!("../../../tests/rules/ccm/acec-start-partial.xml");
    const QUERY: &str = include_str!("../../../tests/rules/ccm/acec-query.xml");

    #[test]
    fn an_execution_answer_gives_each_object_its_result() {
        let response = read(PARTIAL.as_bytes()).unwrap();
        assert_eq!(response.code, 6);
        let results = response.results.unwrap();
        assert_eq!(results.len(), 2);
        assert!(results[0].succeeded && !results[1].succeeded);
        assert!(results[0].detail.contains("<< EC Started >>"), "{:?}", results[0].detail);
        assert!(results[0].detail.contains("\r\n"), "the manual's character reference is a carriage return");
        assert!(results[1].message.starts_with("ccm5004 "));
    }

    #[test]
    fn what_is_not_the_documented_form_is_refused_with_its_place() {
        let good = "<Response><ReturnCode>0</ReturnCode><Message/></Response>";
        assert!(read(good.as_bytes()).is_ok());
        for wrong in [
            "",
            "   ",
            "Last login: today\n<Response><ReturnCode>0</ReturnCode><Message/></Response>",
            "<Response><Message/><ReturnCode>0</ReturnCode></Response>",
            "<Response><ReturnCode>0</ReturnCode></Response>",
            "<Response><ReturnCode>zero</ReturnCode><Message/></Response>",
            "<Response version=\"2.0\"><ReturnCode>0</ReturnCode><Message/></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/><Extra/></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message><b/></Message></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/><Table><Data id=\"a\">1</Data></Table></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/><List><Data>1</Data></List></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/><List><Data id=\"a\"/><Data id=\"a\"/></List></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/><List/><List/></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message/></Response><Response/>",
            "<Response><ReturnCode>0</ReturnCode><Message/></Response> trailing",
            "<Response><ReturnCode>0</ReturnCode><Message>&bomb;</Message></Response>",
            "<!DOCTYPE x><Response><ReturnCode>0</ReturnCode><Message/></Response>",
            "<?xml version=\"1.0\" encoding=\"ISO-2022-JP\"?><Response><ReturnCode>0</ReturnCode><Message/></Response>",
            "<Response><ReturnCode>0</ReturnCode><Message></Response></Message>",
        ] {
            assert!(read(wrong.as_bytes()).is_err(), "accepted {wrong:?}");
        }
        let error = read(b"<Response>\xff").unwrap_err();
        assert_eq!(error.length, 14, "the byte is shown as \\xff");
    }

    #[test]
    fn what_is_not_utf_8_is_kept_byte_by_byte_and_the_rest_is_read() {
        for (encoding, name, shown) in [
            ("EUC-JP", &b"\xa4\xd0\xa4\xc3<"[..4], "\\xa4\\xd0\\xa4\\xc3"),
            ("Shift_JIS", &b"\x83\x5c\x83\x7c"[..], "\\x83\\\\x83|"),
            ("UTF-8", &b"a\xffb"[..], "a\\xffb"),
        ] {
            let mut bytes = format!(
                "<?xml version=\"1.0\" encoding=\"{encoding}\"?><Response><ReturnCode>0</ReturnCode>\
                <Message/><Table><Row><Data id=\"LV Name\">"
            )
            .into_bytes();
            bytes.extend(name);
            bytes.extend(b"</Data><Data id=\"LV No\">0x1</Data></Row></Table></Response>");
            let row = &read(&bytes).unwrap().table.unwrap()[0];
            assert_eq!((row[0].value.as_str(), row[1].value.as_str()), (shown, "0x1"), "{encoding}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_an_error() {
        for whole in [PARTIAL, QUERY] {
            let whole = whole.trim_end().as_bytes();
            assert!(read(whole).is_ok());
            for cut in 0..whole.len() {
                assert!(read(&whole[..cut]).is_err(), "cut at {cut} of {}", whole.len());
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read(&bytes);
        }

        #[test]
        fn no_change_to_an_answer_makes_it_panic(at in 0..QUERY.len(), byte: u8, cut in 0..QUERY.len()) {
            let mut changed = QUERY.as_bytes().to_vec();
            changed[at] = byte;
            let _ = read(&changed);
            changed.remove(cut);
            let _ = read(&changed);
        }
    }
}
