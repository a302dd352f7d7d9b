//! A published model, all-MiniLM-L6-v2, as the Python package that carries it has it, against numbers that were computed elsewhere.

use std::path::PathBuf;

use super::super::tests::searched;
use super::super::{Embedded, Filters, Kind, Metadata};
use super::*;
use crate::domain::time::Millis;

/// Where the model is; without it the test says that it was not run.
const VARIABLE: &str = "WFCTL_MINILM";

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os(VARIABLE).map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: {VARIABLE} names no folder with all-MiniLM-L6-v2");
    }
    folder
}

async fn vectors(model: &Local, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    model.embed(&texts).await.unwrap().vectors
}

fn nearness(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The numbers are those of an implementation in NumPy over the same weights with Hugging Face's own tokenizer.
const KNOWN: [(&str, [f32; 8]); 3] = [
    ("This is an example sentence", [0.0677, 0.0635, 0.0487, 0.0793, 0.0374, 0.0027, 0.0394, -0.0071]),
    ("Each sentence is converted", [0.0864, 0.1028, 0.0054, 0.002, -0.01, 0.0254, 0.0493, -0.0306]),
    ("Café Ünïcode — 東京 naïve!", [0.0583, 0.0054, 0.0541, -0.0445, -0.0687, -0.0202, 0.054, -0.0377]),
];

#[tokio::test]
async fn sentences_have_the_vectors_that_others_compute_and_meaning_makes_them_near() {
    let Some(folder) = folder() else { return };
    let model = Local::new(&folder);
    let made = vectors(&model, &KNOWN.map(|(text, _)| text)).await;
    for ((text, known), made) in KNOWN.iter().zip(&made) {
        assert_eq!(made.len(), 384);
        for (known, made) in known.iter().zip(made) {
            assert!((known - made).abs() < 1e-3, "{text}: {made} where {known} was computed");
        }
        assert!((nearness(made, made) - 1.0).abs() < 1e-5);
    }
    let said = [
        "Users authenticate with a bearer token.",
        "A paraphrase: credentials are checked when somebody signs in.",
        "The invoice totals are rounded to cents.",
    ];
    let made = vectors(&model, &said).await;
    let (alike, other) = (nearness(&made[0], &made[1]), nearness(&made[0], &made[2]));
    assert!((alike - 0.535).abs() < 2e-3 && (other - 0.062).abs() < 2e-3, "{alike} and {other}");
}

#[tokio::test]
async fn a_vocabulary_alone_reads_as_the_tokenizers_own_file_does() {
    let Some(folder) = folder() else { return };
    let bare = tempfile::tempdir().unwrap();
    for name in [CONFIG, "vocab.txt", "tokenizer_config.json", "sentence_bert_config.json"] {
        std::fs::copy(folder.join(name), bare.path().join(name)).unwrap();
    }
    let (whole, words) = (Pieces::read(&folder, 512).unwrap(), Pieces::read(bare.path(), 512).unwrap());
    let long = "A sentence about nothing. ".repeat(200);
    for text in [KNOWN[0].0, KNOWN[2].0, "", "fn parse_totals(line: &str) -> Result<u64, Error> { … }", &long] {
        assert_eq!(whole.windows(text).unwrap(), words.windows(text).unwrap(), "{text:.40}");
    }
    let windows = whole.windows(&long).unwrap();
    assert!(windows.len() > 1 && windows.iter().all(|window| window.len() <= 256), "{}", windows.len());
    assert!(windows.iter().all(|window| window.first() == Some(&101) && window.last() == Some(&102)));
}

#[tokio::test]
async fn a_memory_finds_by_meaning_what_words_do_not() {
    let Some(folder) = folder() else { return };
    let home = tempfile::tempdir().unwrap();
    let about = |source: &str| Metadata::new(Kind::Task, source, Millis(0));
    let fill = |memory: &Embedded| {
        memory.store("Users authenticate with a bearer token.", about("auth")).unwrap();
        memory.store("The invoice totals are rounded to cents.", about("money")).unwrap();
        memory.store("A worktree is reset and not made again.", about("git")).unwrap();
    };
    let query = "how does somebody sign in";
    let words = Embedded::new(&home.path().join("words"), None);
    fill(&words);
    assert!(searched(&words, query, &Filters::default(), 1).await.unwrap().hits.is_empty(), "no word is the same");
    let meaning = Embedded::new(&home.path().join("meaning"), Some(Arc::new(Local::new(&folder))));
    fill(&meaning);
    let found = searched(&meaning, query, &Filters::default(), 1).await.unwrap();
    assert_eq!(found.hits[0].chunk.metadata.source, "auth");
    assert!(found.ranked.to_string().contains("vectors of local/"), "{}", found.ranked);
}

#[tokio::test]
async fn what_is_no_model_is_told_with_where_it_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let refused = async || Local::new(folder.path()).embed(&["x".to_owned()]).await.unwrap_err().message;
    let told = refused().await;
    assert!(told.contains(&folder.path().display().to_string()) && told.contains("config.json"), "{told}");
    std::fs::write(folder.path().join(CONFIG), "{\"model_type\": \"gpt2\"}").unwrap();
    assert!(refused().await.contains("config.json"));
    let config = r#"{"model_type": "bert", "hidden_act": "gelu", "hidden_size": 10, "intermediate_size": 4, "num_hidden_layers": 1,
        "num_attention_heads": 3, "max_position_embeddings": 8, "type_vocab_size": 2, "vocab_size": 9, "layer_norm_eps": 1e-12}"#;
    std::fs::write(folder.path().join(CONFIG), config).unwrap();
    assert!(refused().await.contains("do not fit together"));
    std::fs::write(
        folder.path().join(CONFIG),
        config.replace("\"num_attention_heads\": 3", "\"num_attention_heads\": 2"),
    )
    .unwrap();
    assert!(refused().await.contains("vocab.txt"));
    std::fs::write(folder.path().join("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n").unwrap();
    std::fs::write(folder.path().join("model.safetensors"), "no weights").unwrap();
    assert!(refused().await.contains("its weights"), "{}", refused().await);
}
