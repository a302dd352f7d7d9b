//! The codes of problems in workflow files, WF0100 to WF0199, each with the page that `wfctl explain` prints.
//! A code is never given a new meaning; one that is no longer used stays reserved.

use std::fmt;

use serde::{Serialize, Serializer};

/// A page of `wfctl explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The stable code.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// One paragraph: what it means, why it is refused, what to do.
    pub text: &'static str,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $title:literal, $text:literal;)*) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// All codes, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Its page.
            pub fn explanation(self) -> Explanation {
                match self { $(Self::$variant => Explanation { code: $code, title: $title, text: $text },)* }
            }
        }
    };
}

codes! {
    NotText = "WF0100", "not UTF-8 text", "Workflow files are UTF-8 text. The byte shown is not part of valid UTF-8: the file is in another encoding, or it is not a text file. Convert it, for example with `iconv -f latin1 -t utf-8`.";
    ControlCharacter = "WF0101", "a NUL or control character", "The file holds a character that no workflow needs and that editors and terminals hide: NUL or another control character. Delete it; inside double quotes it can be written as an escape such as `\\x07`.";
    TooLarge = "WF0102", "file too large", "The file is larger than wfctl reads. Generated workflows of this size are better split into child workflows (`workflow:`), or expanded at run time with `foreach`.";
    UnknownKey = "WF0103", "unknown key", "The object has no key of this name. wfctl refuses unknown keys because a misspelt `needs` or `timeout` would otherwise be ignored in silence. `wfctl schema workflow` prints every key.";
    Syntax = "WF0104", "not valid YAML", "The file cannot be read as YAML 1.2. The usual causes are uneven indentation, a tab, an unclosed quote or bracket, and a text with `: ` or ` #` in it that needs quotes.";
    TooDeep = "WF0105", "nested too deeply", "Lists and objects are nested deeper than any workflow needs. The bound protects the engine from hostile files.";
    TooManyNodes = "WF0106", "too many values", "The file holds more values than wfctl accepts once every alias (`*name`) is replaced by what it repeats. A few lines of aliases of aliases can stand for billions of values.";
    DuplicateKey = "WF0107", "a key stands twice", "An object names the same key twice. YAML forbids it, and the two values would silently shadow each other. Both places are shown.";
    SeveralDocuments = "WF0108", "more than one document", "A workflow file holds one YAML document. A line `---` begins another one; move it to its own file.";
    Tag = "WF0109", "a YAML tag", "Tags such as `!!str` or `!include` are not supported: workflow files are plain data. Quotes make a value text; child workflows take the place of includes.";
    Alias = "WF0110", "an alias without a value", "`*name` repeats the value marked `&name` earlier in the file. There is none, or the alias stands inside that very value. A text that begins with `*` needs quotes.";
    MissingKey = "WF0111", "a required key is missing", "The object cannot be understood without this key.";
    WrongType = "WF0112", "a value of the wrong type", "Another type of value is needed here. Note that `yes` and `12m` are text while `1.10` and `true` are not: put what is meant as text in quotes.";
    InvalidValue = "WF0113", "not an allowed value", "The value has the right type and is not one of those that are possible here.";
    InvalidName = "WF0114", "not a valid name", "Names of tasks, groups and inputs begin with a letter or digit (ASCII) and go on with letters, digits, `_`, `.` and `-`, up to 128 characters. They appear in commands, file names and branch names, so that spaces, slashes and look-alike letters are refused. Names that end in `.undo` or contain `[`, `#` or `/` are what the engine calls tasks of its own.";
    InvalidDuration = "WF0115", "not a duration", "A duration is written with its unit: `500ms`, `30s`, `20m`, `1h30m`, `2d`. A bare number is refused because its unit would be a guess.";
    OutOfRange = "WF0116", "out of range", "The number or duration is outside the range that is possible here. The message names the bounds.";
    Exclusive = "WF0117", "keys that exclude each other", "Exactly one of several keys must be given, for example one action per task, or one of `tasks` and `phases` per workflow.";
    Agent = "WF0118", "agents and merges need git worktrees", "`agent`, `merge` and `land` work on branches of a git repository: the workflow needs `workspace: worktree`. An agent never works in the folder that you work in.";
    Empty = "WF0119", "nothing to do", "The file, a phase or a list is empty where at least one element is needed.";
    BadDefault = "WF0120", "a default that its input refuses", "The default of an input must have the input's type, and be one of its choices when it has any.";
    UnknownClass = "WF0121", "not a failure class", "`never` and `also` name classes of failures, such as `exit`, `timeout` or `http-5xx`. The help lists them.";
    UnknownPhase = "WF0122", "not a phase", "The phases of a project are planning, design, build, test, review, deploy and monitor. A workflow uses those it needs; their order is fixed.";
    LoopBack = "WF0123", "a loop-back that does not go back", "`goto` names a phase that the workflow declares and that comes before the one that it stands in.";
    Template = "WF0124", "a template that cannot be read", "Texts between `{{ }}` and `{% %}` are minijinja expressions and statements; `when` and `foreach` are expressions with or without the braces. This one has a syntax error. Write `{{ '{{' }}` for two literal braces.";
    UnknownVariable = "WF0125", "an unknown variable", "Expressions can read `inputs`, `tasks`, `project` and `env`, in a task also `with`, and in a `foreach` task `item` and `index`. Inside a `run` text, shell variables are written `$NAME`, without braces.";
    UndeclaredInput = "WF0126", "an input that is not declared", "The expression reads an input that `inputs` does not declare.";
    UndeclaredEnv = "WF0127", "an environment variable that is not captured", "`env.NAME` can be read when `pass_env` lists NAME, which captures its value at the start of the project, or when `env` sets it.";
    UnknownTaskRead = "WF0128", "an expression reads an unknown task", "`tasks.NAME.output` names a task of this workflow. A name with a dash or a dot is read with brackets: `tasks[\"build-all\"].output`.";
    UnknownTaskField = "WF0129", "an unknown field of a task", "A task offers expressions three fields: `output`, `status` and `failure`.";
    UnknownNeed = "WF0130", "a dependency that does not exist", "`needs` names tasks of the same or an earlier phase of this workflow.";
    LaterNeed = "WF0131", "a dependency on a later phase", "A task cannot wait for a task of a later phase, which only begins when its own phase is complete.";
    SelfNeed = "WF0132", "a task that needs itself", "The task would wait for itself forever. Remove its own name from `needs`.";
    Cycle = "WF0133", "a dependency cycle", "The tasks shown need each other in a circle, so that none of them could ever start. Remove one of the dependencies.";
    DuplicateTask = "WF0134", "two tasks of the same name", "A name stands for one task in the whole workflow, in whatever phase it is: `tasks.NAME.output` must mean one thing.";
    TooMany = "WF0135", "too many of something", "The workflow passes one of the product's bounds; the message names it.";
    UnknownGroup = "WF0136", "a group that is not declared", "`group` names a concurrency limit of `limits.groups`. An undeclared group would not limit anything.";
    EffectProbe = "WF0137", "effect and probe do not fit", "`probe` is a command that tells whether the effect has already happened; it makes the task `probed`. A task with another effect has no use for one, and a `probed` task needs one.";
    OnceRetried = "WF0138", "a once-only task that is retried", "The task is marked `effect: once` and its own retry policy allows several attempts: each failed attempt may have had its effect. Set `max_attempts: 1`, or give it a `probe`.";
    ItemOutside = "WF0139", "item or index outside foreach", "`item` and `index` are set for a task with `foreach`, once per element.";
    NotUpstream = "WF0140", "reading a task that may not be done", "A task can read the output of tasks that are done when it starts: those that it needs, directly or through others, and those of earlier phases. Add the task to `needs`.";
    Unquoted = "WF0141", "a value in a command without quoting", "A value is put into a shell command as it is. If it holds a space, a quote or `;`, the shell reads it as part of the command. Write `{{ value | sh }}`, which quotes it, and leave out quotes of your own around it.";
    UnknownFilter = "WF0142", "an unknown filter", "The filter after `|` does not exist. Besides those of minijinja there are `sh` (quote for a shell), `fromjson` and `tojson`.";
    BadUrl = "WF0143", "not an http URL", "Requests go to `http://` and `https://` URLs only.";
    BadTime = "WF0144", "not a point in time", "`until` takes a time as of RFC 3339 with its zone: `2026-11-20T08:00:00Z` or `2026-11-20T09:00:00+01:00`.";
    Secrets = "WF0145", "secrets where nothing takes them", "`secrets` names what the commands of a `run` task and the headers of an `http` task are handed. An agent is handed none: it runs what a model wrote. Children name their own.";
    ChildLoad = "WF0150", "a child workflow that cannot be read", "The file of a child workflow was not found or cannot be read. Paths are relative to the file that names them.";
    ChildCycle = "WF0151", "a workflow that contains itself", "The child workflow leads back to a file that is being read already, so that the project would start itself forever. The message shows the path.";
    ChildDepth = "WF0152", "children nested too deeply", "Workflows call child workflows deeper, or more of them, than wfctl accepts.";
    ChildInputs = "WF0153", "inputs that the child does not take", "The inputs given to a child workflow do not fit the ones that it declares.";
    GivenUnknown = "WF0160", "an input that the workflow does not declare", "A value was given for an input that the workflow does not have. `wfctl show` of the workflow lists its inputs.";
    GivenMissing = "WF0161", "a required input was not given", "The workflow declares this input as required. Give it as `name=value`.";
    GivenType = "WF0162", "an input of the wrong type", "The given value cannot be read as the type that the input declares. Lists and objects are given as JSON.";
    GivenChoice = "WF0163", "an input that is not among the choices", "The workflow lists the only values that this input can have.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The page of a code of this room, letter case ignored.
pub fn explain(code: &str) -> Option<Explanation> {
    Code::ALL.iter().find(|known| known.as_str().eq_ignore_ascii_case(code)).map(|known| known.explanation())
}

/// All pages of this room, ascending.
pub fn explanations() -> impl Iterator<Item = Explanation> {
    Code::ALL.iter().map(|code| code.explanation())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_every_page_says_something() {
        let pages: Vec<_> = explanations().collect();
        assert!(pages.windows(2).all(|pair| pair[0].code < pair[1].code));
        for page in pages {
            assert!(page.code.starts_with("WF01") && page.code.len() == 6, "{}", page.code);
            assert!(page.text.len() > 40 && page.text.ends_with('.'), "{}", page.code);
        }
        assert_eq!(explain("wf0133").map(|page| page.code), Some("WF0133"));
    }
}
