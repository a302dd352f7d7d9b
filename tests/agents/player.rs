//! Plays a script of `agents/provider/scripted` over HTTP: who asks, about which task and for which turn is read from the request
//! alone, as a real model would have to.

use std::collections::HashMap;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use wfctl::agents::provider::scripted::Scripted;
use wfctl::agents::provider::{CallContext, Provider as _};
use wfctl::agents::roles::{Role, shipped_names};
use wfctl::domain::chat::{Message, ModelRequest};
use wfctl::domain::failure::FailureClass;

use crate::model_server::{Asked, ModelServer, Reply};

/// The script, and which conversations there were.
pub struct Player {
    script: Scripted,
    roles: Vec<(String, String)>,
    /// How conversations begin, by role and task: the n-th one is the n-th attempt.
    begun: Mutex<HashMap<(String, String), Vec<String>>>,
    /// No request is sent twice: each first one is another attempt, even when it says what the one before said.
    is_undisturbed: bool,
}

impl Player {
    pub fn new(script: &str) -> Self {
        let roles = shipped_names().into_iter();
        let roles = roles.map(|name| (Role::load(name, None).unwrap().prompt.trim().to_owned(), name.to_owned()));
        Self {
            script: Scripted::parse("script", script).unwrap(),
            roles: roles.collect(),
            begun: Mutex::default(),
            is_undisturbed: false,
        }
    }

    /// A server that plays it.
    pub fn serve(script: &str) -> ModelServer {
        let player = Self::new(script);
        ModelServer::start(move |asked| player.play(asked))
    }

    /// The same for a run in which nothing is asked for twice.
    pub fn serve_undisturbed(script: &str) -> ModelServer {
        let player = Self { is_undisturbed: true, ..Self::new(script) };
        ModelServer::start(move |asked| player.play(asked))
    }

    /// Who asks.
    pub fn role(&self, asked: &Asked) -> String {
        let system = asked.first_text("system");
        let role = self.roles.iter().find(|(prompt, _)| system.starts_with(prompt));
        role.map(|(_, name)| name.clone()).unwrap_or_else(|| panic!("no role of ours: {system}"))
    }

    /// The answer to a request.
    pub fn play(&self, asked: &Asked) -> Reply {
        let (role, task) = (self.role(asked), task_of(asked).to_owned());
        let beginning = format!("{}\0{}", asked.first_text("system"), asked.first_text("user"));
        let turn = u32::try_from(asked.turns() + 1).unwrap();
        let attempt = {
            let mut begun = self.begun.lock().unwrap();
            let known = begun.entry((role.clone(), task.clone())).or_default();
            let is_anew = self.is_undisturbed && turn == 1;
            let at = known.iter().rposition(|text| *text == beginning).filter(|_| !is_anew).unwrap_or_else(|| {
                known.push(beginning);
                known.len() - 1
            });
            u32::try_from(at + 1).unwrap()
        };
        let context = CallContext { project: "p".to_owned(), task, role, attempt, turn };
        let request = ModelRequest {
            model: asked.model().to_owned(),
            messages: vec![Message::System { text: "s".into() }, Message::User { text: "u".into() }],
            tools: Vec::new(),
            answer: None,
            max_output_tokens: 1,
            temperature: None,
        };
        let reply = self.script.complete(&request, &context, &|_| {}).now_or_never().expect("no answer is delayed");
        let reply = match reply {
            Ok(reply) => reply,
            Err(failed) if failed.failure.class == FailureClass::Refusal => return Reply::refusal("I will not."),
            Err(failed) => panic!("{}", failed.failure),
        };
        let calls: Vec<(&str, &str)> =
            reply.calls.iter().map(|call| (call.name.as_str(), call.arguments.as_str())).collect();
        if calls.is_empty() { Reply::text(&reply.text) } else { Reply::calls(&reply.text, &calls) }
    }
}

/// The name of the task.
pub fn task_of(asked: &Asked) -> &str {
    let text = asked.first_text("user");
    text.strip_prefix("Your task: ").and_then(|rest| rest.lines().next()).unwrap_or_default()
}
