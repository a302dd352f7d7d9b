//! `wfctl index` from outside.

use crate::rig::Rig;

fn rig() -> Rig {
    let rig = Rig::new();
    std::fs::create_dir(rig.path("src")).unwrap();
    rig.write("src/core.rs", "/// The loop.\npub struct Core;\nimpl Core {\n    pub fn turn(&self) {}\n}\n");
    rig.write("src/main.rs", "fn main() {\n    Core.turn();\n    Core.turn();\n}\n");
    rig.write("tool.py", "def tool():\n    pass\n");
    rig.write("bad.js", "var x = '\0';");
    rig
}

#[test]
fn counts_a_map_and_definitions() {
    let rig = rig();
    let counts = rig.wfctl(&["index"]);
    insta::assert_snapshot!(counts.out, @r"
    rust    2 files  3 symbols  1 KiB
    python  1 files  1 symbols  1 KiB
    ");
    assert_eq!(counts.err, "left out: bad.js (binary)\n");
    insta::assert_snapshot!(rig.wfctl(&["index", "--map", "200", "--focus", "main"]).out, @r"
    src/main.rs
      fn main()
    src/core.rs
      pub struct Core
      Core:
        pub fn turn(&self)
    tool.py
      def tool()
    ");
    insta::assert_snapshot!(rig.wfctl(&["index", "--symbol", "Core"]).out, @r"
    src/core.rs:2-2 type · 3 references
      pub struct Core
      The loop.
    ");
    assert_eq!(rig.wfctl(&["index", "--symbol", "nobody"]).code, Some(5));
    assert_eq!(rig.wfctl(&["index", "not-there"]).code, Some(5));
}

#[test]
fn the_second_time_nothing_is_parsed() {
    let rig = rig();
    let parsed = || {
        let line: serde_json::Value = serde_json::from_str(&rig.wfctl(&["--json", "index"]).out).unwrap();
        line["parsed"].as_u64().unwrap()
    };
    assert_eq!((parsed(), parsed()), (3, 0));
    let line = rig.wfctl(&["--json", "index", "src", "--symbol", "Core.turn"]).out;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["path"], &line["kind"], &line["lines"][0]), (&"core.rs".into(), &"method".into(), &4.into()));
}
