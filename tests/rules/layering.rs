//! Which module may use which: the table at the top of `src/lib.rs` is the rule, and every path of the source is held to it.
//!
//! Each file is parsed, from the crates' roots along their `mod` items. What `cfg(test)` leaves out of the product is not
//! looked at; everything else is: `use` items with groups, renames and globs, paths in code, in macros and in attributes;
//! `crate`, `self` and `super` are resolved. A re-export counts as a use by the module that makes it.

use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, Meta, UseTree};

/// Uses that the table forbids and that are still there: module, what it uses, why it may for now.
const KNOWN: &[(&str, &str, &str)] = &[];

/// What the model must not know: files, networks, processes, clocks.
const NO_INPUT_OR_OUTPUT: &[&str] =
    &["std::fs", "std::net", "std::time", "std::env", "std::process", "std::os", "tokio"];

/// The roots of the crates: file, and the module that its items belong to.
fn roots() -> Vec<(String, String)> {
    let mut roots = vec![("src/lib.rs".to_owned(), String::new()), ("src/main.rs".to_owned(), "main".to_owned())];
    let programs = std::fs::read_dir(manifest().join("src/bin")).into_iter().flatten().flatten();
    roots.extend(programs.map(|entry| (format!("src/bin/{}", entry.file_name().to_str().unwrap()), "bin".to_owned())));
    roots
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn on_disk(file: &str) -> Option<String> {
    std::fs::read_to_string(manifest().join(file)).ok()
}

/// One module uses something: both as paths from the crate's root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    file: String,
    module: Vec<String>,
    to: Vec<String>,
}

/// All that the production code of the crates uses.
#[derive(Debug, Default)]
struct Uses {
    /// Modules of this package.
    inside: BTreeSet<Use>,
    /// Other crates, `std` among them.
    outside: BTreeSet<Use>,
    top_level: BTreeSet<String>,
    /// File, and a name, a text or a comment for documentation in it.
    words: BTreeSet<(String, String)>,
}

impl Uses {
    /// `read` gives the text of a file by its path from the package's folder.
    fn of(roots: &[(String, String)], read: &dyn Fn(&str) -> Option<String>) -> Self {
        let mut uses = Self::default();
        for (file, module) in roots {
            let module = if module.is_empty() { Vec::new() } else { vec![module.clone()] };
            let folder = Path::new(file).parent().unwrap().to_owned();
            uses.file(file, &module, module.clone(), &folder, read);
        }
        uses
    }

    fn file(
        &mut self,
        file: &str,
        root: &[String],
        module: Vec<String>,
        folder: &Path,
        read: &dyn Fn(&str) -> Option<String>,
    ) {
        let text = read(file).unwrap_or_else(|| panic!("{file} is not there"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut finder = Finder {
            file: file.to_owned(),
            root: root.to_owned(),
            module,
            inline: Vec::new(),
            uses: self,
            children: Vec::new(),
        };
        visit::visit_file(&mut finder, &parsed);
        for child in finder.children {
            let path = child.module.last().unwrap();
            let beside = if let Some(path) = &child.path {
                vec![Path::new(file).parent().unwrap().join(path)]
            } else {
                let folder = child.inline.iter().fold(folder.to_owned(), |folder, name| folder.join(name));
                vec![folder.join(format!("{path}.rs")), folder.join(path).join("mod.rs")]
            };
            let found = beside.iter().find(|file| read(file.to_str().unwrap()).is_some());
            let found = found.unwrap_or_else(|| panic!("{file}: no file for `mod {path}`")).clone();
            let parent = found.parent().unwrap();
            let own =
                if found.ends_with("mod.rs") || child.path.is_some() { parent.to_owned() } else { parent.join(path) };
            self.file(found.to_str().unwrap(), root, child.module, &own, read);
        }
    }

    /// The uses that a table does not allow, each as a line.
    fn forbidden(&self, table: &Table) -> Vec<Use> {
        let allowed = |used: &&Use| {
            let Some(from) = used.module.first() else { return false };
            let to = &used.to;
            if to.first() == Some(from) {
                return true;
            }
            match table.0.get(from) {
                Some(Allowed::Everything) => true,
                Some(Allowed::These(paths)) => paths.iter().any(|path| to.starts_with(path)),
                None => false,
            }
        };
        self.inside.iter().filter(|used| !allowed(used)).cloned().collect()
    }
}

struct Child {
    module: Vec<String>,
    /// Modules in braces around it, within its file.
    inline: Vec<String>,
    /// Of a `path` attribute.
    path: Option<PathBuf>,
}

struct Finder<'a> {
    file: String,
    root: Vec<String>,
    module: Vec<String>,
    inline: Vec<String>,
    uses: &'a mut Uses,
    children: Vec<Child>,
}

impl Finder<'_> {
    /// Notes a path as it is written.
    fn path(&mut self, segments: &[String]) {
        let mut rest = segments;
        let Some(first) = rest.first() else { return };
        let mut at = match first.as_str() {
            "crate" => self.root.clone(),
            "ecdeck" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => {
                let used = Use { file: self.file.clone(), module: self.module.clone(), to: segments.to_vec() };
                self.uses.outside.insert(used);
                return;
            }
        };
        if first != "super" {
            rest = &rest[1..];
        }
        while rest.first().is_some_and(|word| word == "super") {
            at.pop();
            rest = &rest[1..];
        }
        at.extend(rest.iter().cloned());
        self.uses.inside.insert(Use { file: self.file.clone(), module: self.module.clone(), to: at });
    }

    fn tree(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident)),
            // `a::{self}` is `a`.
            UseTree::Name(name) if name.ident == "self" && !before.is_empty() => self.path(before),
            UseTree::Rename(name) if name.ident == "self" && !before.is_empty() => self.path(before),
            UseTree::Name(name) => self.path(&with(&name.ident)),
            UseTree::Rename(name) => self.path(&with(&name.ident)),
            UseTree::Glob(_) => self.path(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(tree, before)),
        }
    }

    /// Paths in what is not parsed: the bodies of macros, the arguments of attributes, and strings there that name a path.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) if path.is_empty() || colons == 2 => {
                    self.word(&word);
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => {
                    colons += 1;
                }
                other => {
                    self.end_of(&mut path);
                    colons = 0;
                    match other {
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Ident(word) => {
                            self.word(&word);
                            path.push(word.to_string());
                        }
                        TokenTree::Literal(literal) => {
                            let text = literal.to_string();
                            self.word(&text);
                            let text = text.trim_matches('"');
                            if text.starts_with("crate::") {
                                self.path(&text.split("::").map(str::to_owned).collect::<Vec<_>>());
                            }
                        }
                        TokenTree::Punct(_) => {}
                    }
                }
            }
        }
        self.end_of(&mut path);
    }

    fn word(&mut self, word: &dyn ToString) {
        self.uses.words.insert((self.file.clone(), word.to_string()));
    }

    /// A path of several words, as it was read out of tokens; a single word is a name of any kind.
    fn end_of(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.path(&std::mem::take(path));
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !function.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let name = item.ident.to_string();
        if self.module.is_empty() {
            self.uses.top_level.insert(name.clone());
        }
        let module = [self.module.as_slice(), std::slice::from_ref(&name)].concat();
        if item.content.is_none() {
            let path = item.attrs.iter().find_map(|attribute| match &attribute.meta {
                Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                    syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value().into()),
                    _ => None,
                },
                _ => None,
            });
            self.children.push(Child { module, inline: self.inline.clone(), path });
            return;
        }
        let outer = std::mem::replace(&mut self.module, module);
        self.inline.push(name);
        visit::visit_item_mod(self, item);
        self.inline.pop();
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.path(&segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, word: &'ast syn::Ident) {
        self.word(word);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.word(&text.value());
    }

    /// `pub(in path)` opens a module to its own surroundings only.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.visit_path(&item.path);
        self.tokens(item.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        match &attribute.meta {
            Meta::List(list) => self.tokens(list.tokens.clone()),
            meta => visit::visit_meta(self, meta),
        }
    }
}

/// `cfg(test)`, also as one condition of several that must all be met.
fn is_for_tests(attribute: &Attribute) -> bool {
    fn asks(meta: &Meta) -> bool {
        match meta {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(syn::punctuated::Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|all| all.iter().any(asks)),
            _ => false,
        }
    }
    attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|meta| asks(&meta))
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[derive(Debug)]
enum Allowed {
    Everything,
    /// These paths, and what is below them.
    These(Vec<Vec<String>>),
}

/// Each top-level module, and what it may use.
#[derive(Debug)]
struct Table(BTreeMap<String, Allowed>);

impl Table {
    /// Out of the Markdown table in a crate's documentation: module, what it is for, what it may use. Names are in backquotes; a name
    /// stands for a module and all below it. `everything` and `nothing` are words.
    fn of(text: &str) -> Self {
        let rows = text.lines().filter_map(|line| line.strip_prefix("//! | "));
        let named = |cell: &str| -> Vec<String> {
            cell.split('`').skip(1).step_by(2).map(|name| name.trim_end_matches(".rs").to_owned()).collect()
        };
        let mut table = BTreeMap::new();
        for row in rows {
            let cells: Vec<&str> = row.trim_end_matches('|').split(" | ").collect();
            let modules = named(cells[0]);
            if modules.is_empty() {
                continue;
            }
            let uses = cells.get(2).unwrap_or_else(|| panic!("no third column: {row}")).trim();
            for module in modules {
                let allowed = match uses {
                    "everything" => Allowed::Everything,
                    "nothing" => Allowed::These(Vec::new()),
                    names => {
                        let paths =
                            named(names).iter().map(|path| path.split("::").map(str::to_owned).collect()).collect();
                        Allowed::These(paths)
                    }
                };
                assert!(table.insert(module.clone(), allowed).is_none(), "two rows for {module}");
            }
        }
        Self(table)
    }
}

/// Parsed once for all tests.
fn of_this_package() -> &'static Uses {
    static USES: OnceLock<Uses> = OnceLock::new();
    USES.get_or_init(|| Uses::of(&roots(), &on_disk))
}

fn the_table() -> Table {
    Table::of(&on_disk("src/lib.rs").unwrap())
}

fn known(used: &Use) -> bool {
    KNOWN.iter().any(|(module, to, _)| known_by(used, module, to))
}

fn known_by(used: &Use, module: &str, to: &str) -> bool {
    used.module.first().is_some_and(|first| first == module) && used.to.join("::").starts_with(to)
}

#[test]
fn every_module_uses_only_what_the_table_allows() {
    let uses = of_this_package();
    assert!(uses.inside.len() > 1_000, "only {} uses were found", uses.inside.len());
    let forbidden = uses.forbidden(&the_table());
    let lines: Vec<String> = forbidden
        .iter()
        .filter(|used| !known(used))
        .map(|used| format!("{}: {} uses {}", used.file, used.module.join("::"), used.to.join("::")))
        .collect();
    assert!(lines.is_empty(), "the table in src/lib.rs does not allow:\n{}", lines.join("\n"));
    for (module, to, why) in KNOWN {
        let still = forbidden.iter().any(|used| known_by(used, module, to));
        assert!(still, "{module} no longer uses {to} ({why}): take it out of KNOWN");
    }
}

#[test]
fn every_top_level_module_has_its_row() {
    let mut modules = of_this_package().top_level.clone();
    modules.extend(["main".to_owned(), "bin".to_owned()]);
    let rows: BTreeSet<String> = the_table().0.into_keys().collect();
    assert_eq!(rows, modules);
}

#[test]
fn the_model_does_no_input_or_output() {
    let found = outside(of_this_package(), "model", NO_INPUT_OR_OUTPUT);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Where CCM may be named: its driver, its doubles, and the list of drivers.
const CCM_AT_HOME: &[&str] = &["src/driver/ccm/", "src/testkit/", "src/bin/ccm-emulation.rs", "src/driver/mod.rs"];
#[test]
fn a_driver_is_named_by_its_own_folder_alone() {
    let words = &of_this_package().words;
    assert!(words.len() > 10_000, "only {} words were found", words.len());
    let named = words.iter().filter(|(_, word)| word.to_lowercase().contains("ccm"));
    let (at_home, elsewhere): (Vec<_>, Vec<_>) =
        named.partition(|(file, _)| CCM_AT_HOME.iter().any(|home| file.starts_with(home)));
    for home in CCM_AT_HOME {
        assert!(at_home.iter().any(|(file, _)| file.starts_with(home)), "{home} does not name it");
    }
    let lines: Vec<String> = elsewhere.iter().map(|(file, word)| format!("{file}: {word}")).collect();
    assert!(lines.is_empty(), "these files name CCM:\n{}", lines.join("\n"));
}

/// Modules whose parts use each other in one direction only.
const WITHOUT_CIRCLES: &[&str] = &["model", "driver::ccm", "driver::emulated::data"];

#[test]
fn the_parts_of_a_module_use_each_other_in_one_direction() {
    for module in WITHOUT_CIRCLES {
        let found = circles(of_this_package(), module);
        assert!(found.is_empty(), "{module}: {found:?} use each other");
    }
}

/// The children of a module that use each other in a circle, however long it is.
fn circles(uses: &Uses, module: &str) -> Vec<BTreeSet<String>> {
    let prefix: Vec<String> = module.split("::").map(str::to_owned).collect();
    let child = |path: &[String]| path.strip_prefix(prefix.as_slice())?.first().cloned();
    let children: BTreeSet<String> = uses.inside.iter().filter_map(|used| child(&used.module)).collect();
    let mut reach: BTreeMap<&String, BTreeSet<String>> = children.iter().map(|name| (name, BTreeSet::new())).collect();
    for used in &uses.inside {
        if let (Some(from), Some(to)) = (child(&used.module), child(&used.to))
            && from != to
            && children.contains(&to)
        {
            reach.get_mut(&from).unwrap().insert(to);
        }
    }
    loop {
        let longer = |to: &BTreeSet<String>| to.iter().flat_map(|name| reach[name].clone()).chain(to.clone()).collect();
        let next: BTreeMap<&String, BTreeSet<String>> = reach.iter().map(|(name, to)| (*name, longer(to))).collect();
        if next == reach {
            break;
        }
        reach = next;
    }
    let circle = |name: &&String| -> BTreeSet<String> {
        let both = reach[*name].iter().filter(|other| reach[*other].contains(*name));
        both.cloned().collect()
    };
    let found: BTreeSet<_> =
        children.iter().filter(|name| reach[*name].contains(*name)).map(|name| circle(&name)).collect();
    found.into_iter().collect()
}

#[test]
fn the_check_finds_circles_of_any_length() {
    let parts = [
        ("src/lib.rs", "mod m;"),
        ("src/m/mod.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
        ("src/m/a.rs", "use super::b::x;"),
        ("src/m/b.rs", "fn f() { crate::m::c::x(); }"),
        ("src/m/c.rs", "use super::a::x;"),
        ("src/m/d.rs", "use super::a;\n#[cfg(test)]\nmod tests { use super::super::a; }"),
    ];
    let circle: BTreeSet<String> = ["a", "b", "c"].map(str::to_owned).into();
    assert_eq!(circles(&checked(&parts).1, "m"), [circle]);
}

/// Where a module uses something of other crates that is below one of these paths.
fn outside(uses: &Uses, module: &str, paths: &[&str]) -> Vec<String> {
    let below = |to: &str, path: &str| to == path || to.starts_with(&format!("{path}::"));
    let of_module = uses.outside.iter().filter(|used| used.module.first().is_some_and(|first| first == module));
    let lines = of_module.filter_map(|used| {
        let to = used.to.join("::");
        paths.iter().any(|path| below(&to, path)).then(|| format!("{}: {to}", used.file))
    });
    lines.collect()
}

/// What the check finds in a crate of these files.
fn checked(files: &[(&str, &str)]) -> (Vec<String>, Uses) {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let roots = [("src/lib.rs".to_owned(), String::new())];
    let uses = Uses::of(&roots, &|file| files.get(file).map(|text| (*text).to_owned()));
    let table = Table::of(files["src/lib.rs"]);
    let lines =
        uses.forbidden(&table).into_iter().map(|used| format!("{} {}", used.module.join("::"), used.to.join("::")));
    (lines.collect(), uses)
}

const SMALL: &str = "
//! | module | what | uses |
//! | --- | --- | --- |
//! | `low` | rules | nothing |
//! | [`high`], `top` | all | `low`, `mid::door` |
//! | `mid` | between | everything |
pub mod low;
pub mod mid;
pub mod high;
pub mod top;
";

/// The lines that the check finds in `low`, one file of the small crate.
fn in_low(text: &str) -> Vec<String> {
    let others = [("src/mid.rs", "pub mod door {}"), ("src/high.rs", ""), ("src/top.rs", "")];
    let inner = [("src/low/inner.rs", "fn f() {}"), ("src/low/tests.rs", "use crate::top;")];
    checked(&[&[("src/lib.rs", SMALL), ("src/low/mod.rs", text)], &others[..], &inner[..]].concat()).0
}

#[test]
fn the_check_sees_what_is_behind_a_module_of_tests() {
    assert_eq!(in_low("#[cfg(test)]\nmod tests;\nuse crate::top::x;"), ["low top::x"]);
    assert_eq!(in_low("#[cfg(test)]\nmod tests;\nfn f() { crate::top::x(); }"), ["low top::x"]);
}

#[test]
fn the_check_sees_groups_renames_globs_and_supers() {
    assert_eq!(in_low("use crate::{\n    low::y,\n    top::{a, b::c},\n};"), ["low top::a", "low top::b::c"]);
    assert_eq!(in_low("use crate::top as t;\nfn f() { t::x(); }"), ["low top"]);
    assert_eq!(in_low("use super::top::*;"), ["low top"]);
    assert_eq!(in_low("use crate::*;"), ["low "]);
    assert_eq!(in_low("mod deep { fn f() { super::super::top::x(); } }"), ["low::deep top::x"]);
    assert_eq!(in_low("mod deep { pub use super::super::{top::{self as t}}; }"), ["low::deep top"]);
    assert_eq!(in_low("fn f() { use crate::mid::door; }"), ["low mid::door"]);
}

#[test]
fn the_check_sees_types_macros_and_attributes() {
    assert_eq!(in_low("struct A(Vec<crate::top::X>);"), ["low top::X"]);
    assert_eq!(in_low("fn f() { println!(\"{}\", vec![crate::top::x()].len()); }"), ["low top::x"]);
    assert_eq!(in_low("macro_rules! m { () => { $crate::top::x() } }"), ["low top::x"]);
    assert_eq!(in_low("fn f() { crate::top::m!(); }"), ["low top::m"]);
    assert_eq!(in_low("#[derive(A)]\nstruct A { #[serde(with = \"crate::top::x\")] a: u8 }"), ["low top::x"]);
}

#[test]
fn the_check_leaves_out_what_only_tests_see_and_what_is_allowed() {
    assert!(in_low("#[cfg(test)]\nmod tests;\nmod inner;\nuse crate::low::x;\nuse self::inner::y;").is_empty());
    assert!(
        in_low("#[cfg(all(test, unix))]\nuse crate::top::x;\n#[cfg(test)]\nfn f() { crate::top::x(); }").is_empty()
    );
    assert_eq!(in_low("#[cfg(not(test))]\nuse crate::top::x;"), ["low top::x"]);
    assert_eq!(in_low("#[cfg(any(test, unix))]\nuse crate::top::x;"), ["low top::x"]);
    let (found, uses) = checked(&[
        ("src/lib.rs", SMALL),
        ("src/low.rs", "use std::{fs, io};\nfn f() { std::time::Instant::now(); }"),
        ("src/mid.rs", "use crate::top;"),
        ("src/high.rs", "use crate::{low, mid::door::x};\nuse crate::mid::window;"),
        ("src/top.rs", ""),
    ]);
    assert_eq!(found, ["high mid::window"]);
    assert_eq!(
        outside(&uses, "low", &["std::fs", "std::time"]),
        ["src/low.rs: std::fs", "src/low.rs: std::time::Instant::now"]
    );
}
