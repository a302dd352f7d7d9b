//! Known symbols of a file per language, updates, maps, and files that mean no good.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::extract::Extractor;
use super::*;
use crate::domain::limits;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        put(dir.path(), name, content.as_bytes());
    }
    dir
}

fn put(root: &Path, name: &str, content: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn symbols(language: Language, source: &str) -> Vec<String> {
    let outline = Extractor::new().outline(language, source).unwrap();
    let shown = |it: &Symbol| {
        let container = it.container.as_ref().map_or(String::new(), |it| format!(" in {it}"));
        let doc = if it.doc.is_empty() { String::new() } else { format!(" // {}", it.doc) };
        let (first, last) = it.lines;
        format!("{} {}{container} {first}-{last}: {}{doc}", it.kind.name(), it.name, it.signature)
    };
    outline.symbols.iter().map(shown).collect()
}

#[test]
fn rust() {
    let expected = [
        "constant MOST 6-6: pub const MOST: usize // Most things.",
        "constant NAMES 7-7: static NAMES: &[&str]",
        "type Thing 13-15: pub struct Thing<T> // A thing.",
        "type Pair 17-17: pub struct Pair",
        "type Kind 19-22: pub enum Kind",
        "type Short 24-24: type Short = Thing<u8>",
        "interface Does 27-35: pub trait Does // What things do.",
        "constant LIMIT in Does 29-29: const LIMIT: u32",
        "method act in Does 31-31: fn act(&self) -> Self::Out // Does it.",
        "method twice in Does 32-34: fn twice(&self)",
        "method new in Thing 40-50: pub async fn new(part: T, more: u32) -> Self where T: Clone, // Makes one.",
        "method fmt in Kind 54-56: fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result",
        "macro make 59-61: macro_rules! make",
        "function raw 63-63: pub(crate) unsafe extern \"C\" fn raw()",
        "function deep in inner 66-66: pub fn deep()",
        "type Bottom in inner::deeper 68-68: pub struct Bottom",
        "function works in tests 75-75: fn works()",
    ];
    assert_eq!(symbols(Language::Rust, include_str!("../../../fixtures/code/sample.rs")), expected);
}

#[test]
fn python() {
    let expected = [
        "constant LIMIT 4-4: LIMIT: int",
        "type Pair 8-8: type Pair = tuple[int, int]",
        "function plain 11-21: def plain(a, b=1) // Adds.",
        "type Thing 25-41: class Thing(Base) // A thing.",
        "constant SIZE in Thing 28-28: SIZE",
        "method __init__ in Thing 30-31: def __init__(self, part: int) -> None",
        "method value in Thing 34-38: async def value(self) -> int // The value.",
        "type Nested in Thing 40-41: class Nested",
        "method inner in Thing.Nested 41-41: def inner(self)",
    ];
    assert_eq!(symbols(Language::Python, include_str!("../../../fixtures/code/sample.py")), expected);
}

#[test]
fn typescript() {
    let expected = [
        "constant MOST 4-4: const MOST: number // Most things.",
        "type Thing 12-27: abstract class Thing<T> extends Base implements Does // A thing.",
        "method handler in Thing 14-16: handler = async (e: Event): Promise<void>",
        "method constructor in Thing 18-21: constructor(part: T)",
        "method act in Thing 23-23: abstract act(): void",
        "method size in Thing 24-26: static get size(): number",
        "interface Does 29-32: interface Does<T = string>",
        "method act in Does 31-31: act(how: T): void",
        "type Either 34-34: type Either",
        "type Kind 35-38: enum Kind",
        "function run 40-40: async function run(a: number, b?: string): Promise<void>",
        "function overload 41-41: function overload(a: string): void",
        "function arrow 42-42: const arrow = <T,>(value: T): T",
        "function named 43-43: function named()",
        "function inside in Space 46-46: function inside()",
    ];
    assert_eq!(symbols(Language::TypeScript, include_str!("../../../fixtures/code/sample.ts")), expected);
}

#[test]
fn tsx() {
    let expected = [
        "type Props 1-1: type Props",
        "function Greeting 4-6: function Greeting({ name }: Props) // Greets.",
        "function Button 8-8: const Button = (props: Props): JSX.Element",
    ];
    assert_eq!(symbols(Language::Tsx, include_str!("../../../fixtures/code/sample.tsx")), expected);
}

#[test]
fn javascript() {
    let expected = [
        "constant fs 1-1: const fs",
        "function add 4-6: function add(a, b) // Adds.",
        "function numbers 8-10: function* numbers()",
        "type Thing 12-18: class Thing extends Base",
        "method act in Thing 14-14: act = ()",
        "method run in Thing 15-17: async run()",
        "function sub 20-22: const sub = function (a, b)",
        "function view 24-24: const view = ()",
    ];
    assert_eq!(symbols(Language::JavaScript, include_str!("../../../fixtures/code/sample.js")), expected);
}

#[test]
fn go() {
    let expected = [
        "constant Most 7-7: const Most // Most is the most.",
        "constant One 11-11: const One // One is one.",
        "constant two 12-12: const two, three",
        "type Thing 18-20: type Thing struct // Thing is a thing.",
        "interface Doer 24-26: type Doer interface // Doer does.",
        "type Set 27-27: type Set[K comparable] map[K]struct{}",
        "type Alias 28-28: type Alias = Thing",
        "function New 32-38: func New(part int) *Thing // New makes one.",
        "method Do in Thing 41-41: func (t *Thing) Do() error // Do does it.",
        "method Has in Set 43-43: func (s Set[K]) Has(k K) bool",
        "method Value in Thing 45-50: func (Thing) Value(a int, b int) int",
    ];
    assert_eq!(symbols(Language::Go, include_str!("../../../fixtures/code/sample.go")), expected);
}

#[test]
fn definitions_and_references() {
    let dir = tree(&[
        ("a.rs", "pub struct Rig;\nimpl Rig { pub fn run(&self) {} }\n"),
        ("b.rs", "fn main() { let rig = Rig; rig.run(); Rig; }\nfn run() {}\n"),
    ]);
    let index = Index::update(dir.path(), None).unwrap();
    let found = |name: &str| {
        let all = index.definitions(name).into_iter();
        all.map(|(file, symbol)| format!("{}:{}", file.path, symbol.lines.0)).collect::<Vec<_>>()
    };
    assert_eq!(found("run"), ["a.rs:2", "b.rs:2"]);
    assert_eq!(found("Rig::run"), ["a.rs:2"]);
    assert_eq!(found("ig::run"), [""; 0]);
    assert_eq!((index.references("Rig"), index.references("run"), index.references("nobody")), (3, 1, 0));
    assert_eq!(index.languages()[&Language::Rust], Amount { files: 2, symbols: 4, bytes: 107 });
}

#[test]
fn only_what_changed_is_parsed() {
    let dir =
        tree(&[("a.rs", "fn a() {}"), ("b/c.py", "def c(): pass"), ("same.rs", "fn a() {}"), ("x.txt", "no code")]);
    let home = tempfile::tempdir().unwrap();
    let cache = cache_file(&home.path().join("index"), dir.path());
    let update = || Index::update(dir.path(), Some(&cache)).unwrap();
    let first = update();
    assert_eq!((first.parsed, first.files.len()), (2, 3));
    let second = update();
    assert_eq!((second.parsed, &second.files), (0, &first.files));

    put(dir.path(), "b/c.py", b"def changed(): pass");
    let third = update();
    assert_eq!(third.parsed, 1);
    assert_eq!(third.definitions("changed").len(), 1);
    assert_eq!(third.definitions("c").len(), 0);

    // What another branch or worktree had is still known.
    put(dir.path(), "b/c.py", b"def c(): pass");
    assert_eq!(update().parsed, 0);
    fs::remove_file(dir.path().join("a.rs")).unwrap();
    assert_eq!(update().files.len(), 2);
}

#[test]
fn a_damaged_cache_is_built_again() {
    let dir = tree(&[("a.rs", "fn a() {}"), ("b.rs", "fn b() {}")]);
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    let first = Index::update(dir.path(), Some(&cache)).unwrap();
    let good = fs::read(&cache).unwrap();
    for at in [0, 9, 20, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        fs::write(&cache, bad).unwrap();
        let again = Index::update(dir.path(), Some(&cache)).unwrap();
        assert_eq!(again, first, "byte {at}");
        assert_eq!(fs::read(&cache).unwrap(), good);
    }
    for bad in [b"".as_slice(), &good[..good.len() - 1], &good[..10]] {
        fs::write(&cache, bad).unwrap();
        assert_eq!(Index::update(dir.path(), Some(&cache)).unwrap(), first);
    }
}

#[test]
fn worktrees_of_a_repository_share_a_cache() {
    let dir = tempfile::tempdir().unwrap();
    let repository = git2::Repository::init(dir.path().join("main")).unwrap();
    let me = git2::Signature::now("a", "a@b").unwrap();
    let empty = repository.find_tree(repository.treebuilder(None).unwrap().write().unwrap()).unwrap();
    repository.commit(Some("HEAD"), &me, &me, "c", &empty, &[]).unwrap();
    repository.worktree("other", &dir.path().join("other"), None).unwrap();
    let file = |name: &str| cache_file(Path::new("/home"), &dir.path().join(name));
    assert_eq!(file("main"), file("other"));
    assert_ne!(file("main"), cache_file(Path::new("/home"), tempfile::tempdir().unwrap().path()));
}

#[test]
fn hostile_files_are_left_out_or_harmless() {
    let dir = tree(&[(".gitignore", "ignored.rs\n"), ("ignored.rs", "fn x() {}"), ("good.rs", "fn good() {}")]);
    let root = dir.path();
    put(root, "binary.rs", b"fn x() {}\0");
    put(root, "latin.py", b"x = '\xff'");
    put(root, "minified.js", format!("var a={};", "1+".repeat(limits::INDEX_LINE_BYTES)).as_bytes());
    put(root, "huge.go", &vec![b'\n'; limits::INDEX_FILE_BYTES as usize + 1]);
    put(root, "largest.go", &vec![b'\n'; limits::INDEX_FILE_BYTES as usize]);
    put(root, "broken.rs", b"fn ( { impl <<< struct } pub fn whole() {} \"");
    put(root, "empty.ts", b"");
    std::os::unix::fs::symlink("/etc/passwd", root.join("link.py")).unwrap();
    let index = Index::update(root, None).unwrap();
    let skipped: Vec<(&str, Why)> = index.skipped.iter().map(|it| (it.path.as_str(), it.why)).collect();
    let expected = [
        ("binary.rs", Why::Binary),
        ("huge.go", Why::TooLarge),
        ("latin.py", Why::Binary),
        ("minified.js", Why::Minified),
    ];
    assert_eq!(skipped, expected);
    let files: Vec<&str> = index.files.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(files, ["broken.rs", "empty.ts", "good.rs", "largest.go"]);
    assert!(matches!(Index::update(&root.join("none"), None), Err(Error::Root { .. })));
}

/// What made a parser call itself without end, or might: through the threads that parse, whose stacks are made for it.
#[test]
fn no_nesting_is_too_deep() {
    const BYTES: usize = 60_000;
    let pieces = [
        ("x.rs", ["mod m { ", "((", "!", "&", "- ", "a<", "|| ", "if a {} else "].as_slice()),
        ("x.py", &["[", "not ", "- ", "lambda: ", "a if b else ", "a.", "(a, "]),
        ("x.js", &["[", "{a:", "!", "a=>", "a?b:", "`${", "if(a)", "a.", "- "]),
        ("x.ts", &["if (a) { ", "{a:", "a<b<", "a?b:", "async(", "a<b>(", "f(a,b)=>{", "(a,"]),
        ("x.tsx", &["<a>", "<a b=", "{a:"]),
        ("x.go", &["func() {", "!", "[]", "*", "a.", "((", "map[a]"]),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (name, pieces) in pieces {
        for (at, piece) in pieces.iter().enumerate() {
            put(dir.path(), &format!("{at}/{name}"), format!("{piece}\n").repeat(BYTES / piece.len()).as_bytes());
            count += 1;
        }
    }
    put(dir.path(), "good.rs", b"fn good() {}");
    let index = Index::update(dir.path(), None).unwrap();
    assert_eq!(index.files.len() + index.skipped.len(), count + 1);
    assert!(index.skipped.iter().all(|it| it.why == Why::TooHard), "{:?}", index.skipped);
    assert_eq!(index.definitions("good").len(), 1);
    let containers = index.files.iter().flat_map(|it| &it.outline.symbols).filter_map(|it| it.container.as_ref());
    assert!(containers.map(String::len).max().unwrap_or(0) < 100);
}

#[test]
fn a_text_that_takes_too_long_is_left_out() {
    let mut extractor = Extractor::new();
    let source = "fn a() { 1 + 1 }\n".repeat(100);
    assert!(extractor.outline(Language::Rust, &source).is_some());
    assert_eq!(extractor.outline_within(Language::Rust, &source, 3), None);
    // The parser goes on as if nothing had been.
    assert_eq!(extractor.outline(Language::Rust, "fn a() {}").unwrap().symbols.len(), 1);
}

#[test]
fn one_bracket_past_the_bound_is_too_deep() {
    let nested = |depth: usize| format!("fn a() {{ {}1{} }}", "(".repeat(depth - 1), ")".repeat(depth - 1));
    let mut extractor = Extractor::new();
    assert!(extractor.outline(Language::Rust, &nested(limits::INDEX_NESTING)).is_some());
    assert_eq!(extractor.outline(Language::Rust, &nested(limits::INDEX_NESTING + 1)), None);
    // The parser goes on as if nothing had been.
    assert_eq!(extractor.outline(Language::Rust, "fn a() {}").unwrap().symbols.len(), 1);
}

#[test]
fn names_and_signatures_one_past_their_bounds() {
    let name = "n".repeat(limits::INDEX_NAME_BYTES);
    assert_eq!(symbols(Language::Rust, &format!("fn {name}() {{}}")).len(), 1);
    assert_eq!(symbols(Language::Rust, &format!("fn {name}n() {{}}")).len(), 0);
    let outline = |length: usize| {
        let source = format!("struct S<{}>;", "ü".repeat(length));
        Extractor::new().outline(Language::Rust, &source).unwrap().symbols.remove(0).signature
    };
    assert!(outline(limits::INDEX_SIGNATURE_BYTES).ends_with('…'));
    assert!(outline(limits::INDEX_SIGNATURE_BYTES).len() <= limits::INDEX_SIGNATURE_BYTES);
    let many = "fn a() {}\n".repeat(limits::INDEX_SYMBOLS_PER_FILE + 1);
    assert_eq!(symbols(Language::Rust, &many).len(), limits::INDEX_SYMBOLS_PER_FILE);
}

fn three_files() -> tempfile::TempDir {
    tree(&[
        ("src/app.rs", "pub fn main() { let c = Core::new(); c.turn(); c.turn(); Core::new(); }\nfn unused() {}\n"),
        (
            "src/core.rs",
            "pub struct Core;\nimpl Core {\n    pub fn new() -> Self { Core }\n    pub fn turn(&self) {}\n}\nimpl Core {\n    fn rest(&self) {}\n}\n",
        ),
        ("src/other.py", "def shape(): pass\n"),
        ("tests/core.rs", "fn check() { Core::new().turn(); }\n#[cfg(test)]\nmod tests { fn hidden() {} }\n"),
    ])
}

#[test]
fn the_map_begins_with_what_others_use() {
    let dir = three_files();
    let index = Index::update(dir.path(), None).unwrap();
    let core = "src/core.rs\n  pub struct Core\n  Core:\n    pub fn new() -> Self\n    pub fn turn(&self)\n    fn rest(&self)\n";
    let app = "src/app.rs\n  pub fn main()\n  fn unused()\n";
    let (other, tests) = ("src/other.py\n  def shape()\n", "tests/core.rs\n  fn check()\n");
    assert_eq!(Map::render(&index, 1_000, &[]), format!("{core}{app}{other}{tests}"));
    assert!(Map::render(&index, 1_000, &["SHAPE"]).starts_with(other));
    assert!(Map::render(&index, 1_000, &["tests/"]).starts_with(tests));
    assert_eq!(Map::render(&index, 25, &[]), "src/core.rs\n  pub struct Core\n(3 more files)\n");
    assert_eq!(Map::render(&index, 0, &[]), "");
}

proptest! {
    #[test]
    fn the_map_never_exceeds_its_budget_and_stays_the_same(
        tokens in 0_usize..400,
        focus in prop::collection::vec("[a-z]{0,4}", 0..3),
        files in prop::collection::btree_map("[a-z]{1,12}", prop::collection::vec(("[a-zA-Z_]{1,30}", 0_u8..4), 0..12), 0..8),
    ) {
        let outline = |symbols: Vec<(String, u8)>| {
            let symbol = |(line, (name, kind)): (usize, (String, u8))| Symbol {
                kind: SymbolKind::Function,
                container: (kind > 1).then(|| format!("Container{}", kind)),
                signature: format!("fn {name}(ü: u32)"),
                name,
                lines: (line as u32, line as u32),
                doc: String::new(),
            };
            let symbols: Vec<Symbol> = symbols.into_iter().enumerate().map(symbol).collect();
            let mut mentions: BTreeMap<String, u32> = symbols.iter().map(|it| (it.name.clone(), 1)).collect();
            mentions.insert("a".to_owned(), 3);
            Outline { symbols, mentions: mentions.into_iter().collect() }
        };
        let file = |(name, symbols)| {
            SourceFile { path: format!("{name}.rs"), language: Language::Rust, bytes: 1, outline: outline(symbols) }
        };
        let index = Index { files: files.into_iter().map(file).collect(), ..Index::default() };
        let focus: Vec<&str> = focus.iter().map(String::as_str).collect();
        let map = Map::render(&index, tokens, &focus);
        prop_assert!(map.len() <= 4 * tokens, "{} bytes for {tokens} tokens", map.len());
        prop_assert_eq!(map, Map::render(&index, tokens, &focus));
    }
}

/// `cargo test --release --lib workspace::index -- --ignored --nocapture` measures; this repository is the tree.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let cache = home.path().join("cache");
    for name in ["full", "incremental", "incremental"] {
        let started = std::time::Instant::now();
        let index = Index::update(root, Some(&cache)).unwrap();
        let updated = started.elapsed();
        let map = Map::render(&index, 2_000, &[]);
        let (files, parsed, bytes) = (index.files.len(), index.parsed, map.len());
        println!(
            "{name}: {files} files, {parsed} parsed, {updated:?}; map of {bytes} bytes, all in {:?}",
            started.elapsed()
        );
    }
    println!("cache: {} bytes", fs::metadata(&cache).unwrap().len());
}
