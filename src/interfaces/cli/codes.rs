//! The codes of everything that is not a problem in a workflow file: WF0001 to WF0099, each with the page that
//! `wfctl explain` prints. A code is never given a new meaning.

use super::exit::Exit;
use crate::domain::workflow;

/// A page of `wfctl explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The stable code.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
}

macro_rules! codes {
    ($($variant:ident = $code:literal, $exit:ident, $title:literal, $text:literal;)*) => {
        /// What went wrong.
        #[expect(clippy::enum_variant_names, reason = "`UnknownCode` is about codes")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// All codes, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its page.
            pub fn page(self) -> Page {
                match self { $(Self::$variant => Page { code: $code, title: $title, text: $text },)* }
            }

            /// The exit code that goes with it.
            pub fn exit(self) -> Exit {
                match self { $(Self::$variant => Exit::$exit,)* }
            }
        }
    };
}

codes! {
    Usage = "WF0001", Usage, "a command line that makes no sense", "The command was understood and what was asked for is not possible in itself: an argument is missing, or two exclude each other. `wfctl help VERB` tells what a verb takes.";
    NoWorkflow = "WF0002", NotFound, "no such workflow", "A workflow is named by the path of its file, or by a bare name that is looked up as NAME.yaml in ./workflows, in .wfctl/workflows, and among the shipped ones.";
    File = "WF0003", NotFound, "a file that cannot be read or written", "The system refused the file; its answer is shown as the cause.";
    UnknownProject = "WF0004", NotFound, "no such project", "Projects are named by their ids, or by any unique beginning of one. `wfctl list --all` shows all of them. Another home (`WFCTL_HOME`, `--home`) has other projects.";
    AmbiguousId = "WF0005", NotFound, "several projects begin like that", "The beginning of an id must belong to one project. Type one more character.";
    UnknownTask = "WF0006", NotFound, "no such task", "`wfctl show ID` lists the tasks of a project. Tasks of a `foreach` are called NAME[0], NAME[1], and so on.";
    NoLog = "WF0007", NotFound, "no output", "The task has not run a command yet, or not in that attempt. Approvals, waits and signals have no output.";
    IdTaken = "WF0008", Refused, "the id belongs to another project", "`--id` makes a start idempotent: the same id, definition and inputs are the same start. This id belongs to a project with another definition or other inputs. Choose another id, or leave it out.";
    Terminal = "WF0009", Refused, "the project has ended", "DONE, FAILED and CANCELLED are final. Start a new project with `wfctl run`; a failed task can be given a new series of attempts only while its project is not terminal.";
    WrongState = "WF0010", Refused, "not possible in the present state", "The project or the task is not in a state where that makes sense. `wfctl show ID` tells the state, `wfctl why ID` what it waits for.";
    AmbiguousAnswer = "WF0011", Refused, "more than one thing could be meant", "Several tasks wait for an answer, or have an artifact of that name. Name the one that is meant.";
    AlreadyAnswered = "WF0012", Refused, "answered already", "The approval, signal or claim was answered before. The first answer counts; `wfctl events ID` shows who gave it and when.";
    StaleToken = "WF0013", Refused, "a claim that no longer holds", "The lease of an external worker has expired or was taken by another one. Claim the task again; work that was done under the old token must not be delivered.";
    Limit = "WF0014", Refused, "a bound would be passed", "Every queue and size of wfctl has a bound; the message names it. Nothing was changed.";
    Invalid = "WF0015", Usage, "a value that is not valid", "What was given was read and refused; the message says why. Nothing was changed.";
    NoArtifact = "WF0016", NotFound, "no such artifact", "Agents keep artifacts by name; those of the newest completed attempt of each task can be had. `wfctl artifacts ID` lists them. What an attempt kept that has not completed is in `wfctl transcript ID TASK`.";
    NoConversation = "WF0017", NotFound, "no conversation", "Only a task that runs an agent has a conversation, from its first call on, and only the attempts that have begun. `wfctl show ID` lists the tasks with their attempts; the output of other tasks is in `wfctl logs ID TASK`.";
    NoFiles = "WF0018", Refused, "files that git no longer has", "While a project runs, references under refs/wfctl/ keep the files of its steps; they are removed when it ends, and git collects what nothing names after some weeks. A fork of an ended project needs those files; an early enough record needs fewer of them. A replay needs the repository with the commit that the project began from. Nothing was started.";
    HomeBusy = "WF0020", HomeInUse, "the home is in use", "An engine is at work in the home, and this verb needs the home for itself. Wait until it is done, or stop it with Ctrl-C where it runs or `kill PID`: its projects can be resumed.";
    EngineSilent = "WF0021", HomeInUse, "the engine does not answer", "A process holds the home and listens, yet does not answer: it is stopped (Ctrl-Z, SIGSTOP) or hangs. `kill -CONT PID` lets a stopped one go on; `kill -9 PID` ends it, which loses nothing: `wfctl resume ID` goes on where it was.";
    EngineUnreachable = "WF0022", HomeInUse, "the home is held by a process that cannot be reached", "A process holds the home's lock and does not listen at its socket. If it is of another machine (a shared file system), work there. Else end it; nothing is lost by that.";
    EngineStopped = "WF0023", HomeInUse, "the engine has stopped", "The engine was stopping when it was asked; what was asked for did not happen. Ask again: a new engine takes over.";
    Connection = "WF0024", HomeInUse, "the connection to the engine broke off", "The engine ended, or speaks another protocol (an older or later release). Whether what was asked for happened is unknown: look with `wfctl show ID`. Starts with `--id` and signals with `--request` can simply be repeated.";
    HomeUnusable = "WF0025", Damaged, "the home cannot be used", "The system refused a file or folder of the home; its answer is shown as the cause. `WFCTL_HOME` or `--home` name another home.";
    NoHome = "WF0026", Usage, "no place for the home", "Set `WFCTL_HOME` to a private folder on a local file system, or set HOME.";
    Damaged = "WF0030", Damaged, "something stored is damaged", "A record, a blob or a file of the store is not what was written. `wfctl doctor` finds everything that is; `wfctl doctor --repair` puts damaged projects aside without deleting them and lets all others go on.";
    ReadOnly = "WF0031", Damaged, "written by a later release", "The project has records of a kind that this release does not know. It can be read as far as it is understood; only the later release may continue it. Other projects are not affected.";
    DiskLow = "WF0032", Damaged, "the disk is nearly full", "wfctl stops to accept work while the disk still has room for what must be recorded. Free some space (`wfctl gc` removes ended projects), then go on with `wfctl resume ID`.";
    Store = "WF0033", Damaged, "the store refused", "The store cannot be read or written; the cause is shown. What was not acknowledged did not happen.";
    Config = "WF0040", Usage, "a setting that cannot be used", "`wfctl config show --origin` lists every setting and where it comes from; the message names the place of this one.";
    NoCommit = "WF0041", Usage, "no commit to begin with", "`workspace: worktree` runs in git worktrees of the repository that the project is started for, from its current commit. Start it inside a repository with at least one commit, or use `workspace: dir`.";
    Untrusted = "WF0042", Usage, "not trusted", "Whoever clones a repository has not agreed to what it would run. A workflow file, a role or a .wfctl.toml that lies in a git repository counts only once you have agreed to its very content: `wfctl trust FILE` shows it whole, or what changed since you agreed last, and asks; `wfctl run --trust` agrees to what is there now. Files in no repository, shipped workflows and what `wfctl init` wrote need none. `wfctl trust --list` tells what is trusted, `wfctl trust --revoke FILE` takes it back. Looking (`validate`, `graph`, `diff`, `run --dry-run`) never needs trust and runs nothing.";
    BeyondAllowance = "WF0044", Refused, "commands that ask for more than they may reach", "Commands run in a sandbox: without network, with nothing to write but their workspace, without your home. A workflow says under `sandbox:` what else its commands need, and only you allow it: with the flags that the message names, or once for all under [sandbox] in your configuration. Nothing was started.";
    Secrets = "WF0045", Usage, "a secret that cannot be had", "A workflow names its secrets; where each value is, you declare in [secrets] of your own configuration (never in a repository's .wfctl.toml): `NAME = \"file\"`, `\"env:VAR\"`, `\"keyring:service/user\"` or `\"vault:mount/path#field\"`. `wfctl secrets check NAME` tells what is wrong, `wfctl secrets set NAME` keeps a value. A value has 8 to 16384 bytes, or it could not be struck out of what is recorded.";
    NoSandbox = "WF0046", Refused, "no sandbox can be had", "Commands run in a sandbox or not at all, and nothing on this machine can make one, or one layer of it was refused; the message tells for each backend what is missing. Install bubblewrap (`bwrap`), or allow namespaces for ordinary users (inside of a container: start it so that it may make them). `wfctl doctor --sandbox` shows every layer and tries to get out. Containers (`--sandbox docker` or `podman`) need an engine that answers on this machine and an image that is here already, named with `--sandbox-image` or `image` under [sandbox]; wfctl pulls none. For commands that you trust with all that you can do yourself there is `wfctl run --sandbox none`, which is recorded. Nothing was started.";
    Exists = "WF0050", Refused, "the file exists", "wfctl does not overwrite files. Name another one.";
    NotVerified = "WF0060", Failed, "the journal does not verify", "A record is not the one that was written: the journal was damaged or changed. The message names the first bad record; everything before it is proven. `wfctl doctor --repair` puts the project aside.";
    UnknownCode = "WF0061", NotFound, "no such code", "Codes are written WF and four digits. `wfctl explain` without a code lists all of them.";
    Defect = "WF0070", Defect, "a defect of wfctl", "This should not have happened whatever the input was. What is recorded is safe. Please report it with the message and engine.log of the home.";
    NoToken = "WF0090", Refused, "no valid token", "Whoever asks a server shows a token, as `Authorization: Bearer TOKEN` or as the cookie that `/login` sets. `wfctl token` prints one; a token that was replaced with `wfctl token --rotate` is void at once.";
    NotAllowed = "WF0091", Refused, "the token may not do that", "There are three roles: read looks at everything, operate starts and steers projects, admin also removes them. Each has a token of its own: `wfctl token --role ROLE`.";
    Foreign = "WF0092", Refused, "asked from another site", "A page of another site cannot steer this server, and the server only answers under addresses, `localhost` and the names that `wfctl serve --allow-host` gives. That keeps a page that somebody visits from reaching it through their browser.";
    TooMany = "WF0093", Refused, "too many requests", "Every token may ask at a bounded rate, and the server answers a bounded number of requests at once. Nothing of the request was done; ask again after the time that `Retry-After` gives.";
    KeyReused = "WF0094", Refused, "an idempotency key of another request", "A start that is made with an `Idempotency-Key` can be repeated with the same body, and is the same start. With another body it would be another one: use another key.";
    NoRoute = "WF0095", NotFound, "nothing there", "The server has nothing under that path or name. `/openapi.json` describes all routes.";
    Exposed = "WF0096", Usage, "a server that others could listen in on", "Beyond this machine a server only listens with a certificate: whoever reads a token on its way can do what its bearer can. `--tls-cert` and `--tls-key` name the files.";
    NotListening = "WF0097", HomeInUse, "the address cannot be had", "The system does not let the server listen there; its answer is shown as the cause. Another process may listen at that port already.";
}

/// All pages, those of workflow files included, ascending.
pub fn explanations() -> Vec<Page> {
    let own = Code::ALL.iter().map(|code| code.page());
    let files = workflow::explanations().map(|page| Page { code: page.code, title: page.title, text: page.text });
    own.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_every_page_says_something() {
        let pages = explanations();
        assert!(pages.windows(2).all(|pair| pair[0].code < pair[1].code));
        assert!(pages.iter().all(|page| page.text.len() > 40 && page.text.ends_with('.')));
    }
}
