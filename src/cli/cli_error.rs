//! What ends a verb early: a sentence, an exit status, and where there is one a code with the ways on.

use super::document::RefusalDocument;
use super::exit::Exit;
use super::request_line::RenderContext;
use super::{json, out};
use crate::model::codes::Code;
use crate::model::plan::Refusal;
use serde::Serialize;

/// An end that is not the wanted one.
#[derive(Debug, Clone)]
pub struct CliError {
    pub exit: Exit,
    pub code: Option<Code>,
    /// Sentences for people; escaped.
    pub text: String,
    refusal: Option<Box<RefusalDocument>>,
}

impl CliError {
    pub fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, code: None, text: text.into(), refusal: None }
    }

    pub fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }

    pub fn not_reachable(text: impl Into<String>) -> Self {
        Self::new(Exit::NotReachable, text)
    }

    /// A code with the sentence of the case.
    pub fn coded(code: Code, text: impl Into<String>) -> Self {
        Self { exit: Exit::of_code(code), code: Some(code), text: text.into(), refusal: None }
    }

    #[must_use]
    pub fn with_code(self, code: Code) -> Self {
        Self { code: Some(code), ..self }
    }

    #[must_use]
    pub fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// Nothing of a request runs.
    pub fn refused(refusal: &Refusal, render_context: RenderContext<'_>) -> Self {
        let all = || std::iter::once(refusal).chain(&refusal.also);
        let texts: Vec<String> = all().map(|one| super::plan_text::refusal(one, render_context)).collect();
        Self {
            exit: Exit::together(all().map(|one| Exit::of_code(one.code))),
            code: Some(refusal.code),
            text: texts.join("\n"),
            refusal: Some(Box::new(RefusalDocument::new(refusal, render_context))),
        }
    }

    /// To standard error for people, to standard output as a document.
    pub fn print(&self, as_json: bool, demo: bool) {
        if as_json {
            let error = ErrorBody {
                code: self.code,
                text: &self.text,
                remedy: self.code.and_then(Code::explain).map(|row| row.remedy),
                refusal: self.refusal.as_deref(),
            };
            // Where the document cannot be printed, standard error is what is left.
            if json::print(demo, &ErrorDocument { error, exit: self.exit as u8 }).is_err() {
                out::say(&format!("ecdeck: {}", self.text));
            }
            return;
        }
        out::say(&format!("ecdeck: {}", self.text));
        let already_told = self.refusal.as_ref().is_some_and(|refusal| refusal.has_remedies());
        if let Some(row) = self.code.and_then(Code::explain).filter(|_| !already_told) {
            out::say(&format!("  {}", named(row.remedy, self.refusal.as_deref())));
        }
        if let Some(code) = self.code {
            out::say(&format!("  `ecdeck explain {code}` says more."));
        }
    }
}

/// The table's remedy with the volume's name where the table has TV.
fn named(remedy: &str, refusal: Option<&RefusalDocument>) -> String {
    match refusal.and_then(RefusalDocument::name) {
        Some(name) => remedy.replace(" TV", &format!(" {name}")),
        None => remedy.to_owned(),
    }
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: ErrorBody<'a>,
    exit: u8,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: Option<Code>,
    text: &'a str,
    remedy: Option<&'static str>,
    refusal: Option<&'a RefusalDocument>,
}
