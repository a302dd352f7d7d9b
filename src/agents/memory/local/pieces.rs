//! Text to the numbers of word pieces, as the model was trained with them: by `tokenizer.json`, or by the words of `vocab.txt`.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{Model as _, Tokenizer};

use crate::domain::limits;
use crate::workspace::files;

/// How a model of sentences reads.
pub(super) struct Pieces {
    tokenizer: Tokenizer,
    /// What stands before and behind each text.
    around: [u32; 2],
    /// Most tokens that are read at once, those included.
    window: usize,
}

/// What `sentence_bert_config.json` says that matters here.
#[derive(Deserialize)]
struct Sentences {
    max_seq_length: usize,
}

/// What `1_Pooling/config.json` says that matters here.
#[derive(Deserialize)]
struct Pooling {
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// What `tokenizer_config.json` says that matters here.
#[derive(Deserialize)]
struct Spelling {
    #[serde(default = "yes")]
    do_lower_case: bool,
}

fn yes() -> bool {
    true
}

/// A file of the folder as JSON; `None` when it is not there.
fn json<T: serde::de::DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>, String> {
    let path = folder.join(name);
    if !path.exists() {
        return Ok(None);
    }
    let bytes = files::read_bounded(&path, limits::SMALL_FILE_BYTES).map_err(|error| format!("{name}: {error}"))?;
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{name}: {error}"))
}

impl Pieces {
    /// Reads what the folder has; the model has `positions` places. Blocks.
    pub(super) fn read(folder: &Path, positions: usize) -> Result<Self, String> {
        if json::<Pooling>(folder, "1_Pooling/config.json")?.is_some_and(|pooling| !pooling.pooling_mode_mean_tokens) {
            return Err("1_Pooling/config.json: only the mean over tokens is computed here".to_owned());
        }
        let mut tokenizer = tokenizer(folder)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?;
        let empty = tokenizer.encode_fast("", true).map_err(|error| error.to_string())?;
        let &[begin, end] = empty.get_ids() else {
            return Err("its tokens do not stand between a beginning and an end, as those of BERT do".to_owned());
        };
        let said = json::<Sentences>(folder, "sentence_bert_config.json")?.map(|said| said.max_seq_length);
        let window = said.unwrap_or(positions).min(positions);
        if window < 3 {
            return Err(format!("it reads {window} tokens at once, which is no text"));
        }
        Ok(Self { tokenizer, around: [begin, end], window })
    }

    /// The tokens of `text`, in parts of at most as many as the model reads at once; one at least.
    pub(super) fn windows(&self, text: &str) -> Result<Vec<Vec<u32>>, String> {
        let encoded = self.tokenizer.encode_fast(text, false).map_err(|error| error.to_string())?;
        let [begin, end] = self.around;
        let framed =
            |part: &[u32]| -> Vec<u32> { std::iter::once(begin).chain(part.iter().copied()).chain([end]).collect() };
        match encoded.get_ids() {
            [] => Ok(vec![framed(&[])]),
            ids => Ok(ids.chunks(self.window - 2).map(framed).collect()),
        }
    }
}

fn tokenizer(folder: &Path) -> Result<Tokenizer, String> {
    let read = |name: &str| {
        let bytes = files::read_bounded(&folder.join(name), limits::TOKENIZER_BYTES);
        bytes.map_err(|error| format!("{name}: {error}"))
    };
    if folder.join("tokenizer.json").exists() {
        return Tokenizer::from_bytes(read("tokenizer.json")?).map_err(|error| format!("tokenizer.json: {error}"));
    }
    let words = read("vocab.txt")?;
    let lowercase = json::<Spelling>(folder, "tokenizer_config.json")?.is_none_or(|spelling| spelling.do_lower_case);
    of_words(&words, lowercase).map_err(|error| format!("vocab.txt: {error}"))
}

/// What BERT was published with: one word piece a line, its number the line's.
fn of_words(words: &[u8], lowercase: bool) -> tokenizers::Result<Tokenizer> {
    let vocabulary = WordPiece::read_bytes(words)?;
    let pieces = WordPiece::builder().vocab(vocabulary).unk_token("[UNK]".to_owned()).build()?;
    let special = |name: &str| match pieces.token_to_id(name) {
        Some(id) => Ok((name.to_owned(), id)),
        None => Err(format!("{name} is missing")),
    };
    let (begin, end) = (special("[CLS]")?, special("[SEP]")?);
    let mut tokenizer = Tokenizer::new(pieces);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, lowercase)))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(end, begin)));
    Ok(tokenizer)
}
