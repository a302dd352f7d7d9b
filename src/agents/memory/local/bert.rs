//! The encoder of BERT, and the mean over its tokens. Sources: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers",
//! 2019; Reimers and Gurevych, "Sentence-BERT", 2019. Names of tensors are those of the published files.

use std::path::Path;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Embedding, LayerNorm, Linear, Module as _, VarBuilder, embedding, layer_norm, linear, ops};
use serde::Deserialize;

/// Most of each number of a configuration: more than any model has, so that none makes a shape that cannot be.
const MOST: usize = 1 << 20;

/// What `config.json` says that matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    model_type: String,
    hidden_act: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    type_vocab_size: usize,
    vocab_size: usize,
    layer_norm_eps: f64,
}

impl Config {
    /// Reads `config.json`. Errors: it is not one, or is that of a model of another kind.
    pub(super) fn read(json: &[u8]) -> std::result::Result<Self, String> {
        let config: Self = serde_json::from_slice(json).map_err(|error| format!("config.json: {error}"))?;
        let positions = config.position_embedding_type.as_deref().unwrap_or("absolute");
        let kind = (config.model_type.as_str(), config.hidden_act.as_str(), positions);
        if kind != ("bert", "gelu", "absolute") {
            return Err(format!(
                "config.json: a model of type {:?} with {:?} and {positions} positions is not computed here; BERT with \"gelu\" and \
                 absolute positions is, such as all-MiniLM-L6-v2",
                config.model_type, config.hidden_act
            ));
        }
        let sizes = [
            config.hidden_size,
            config.intermediate_size,
            config.num_hidden_layers,
            config.num_attention_heads,
            config.max_position_embeddings,
            config.type_vocab_size,
            config.vocab_size,
        ];
        if sizes.iter().any(|size| *size == 0 || *size > MOST)
            || !config.hidden_size.is_multiple_of(config.num_attention_heads)
        {
            return Err("config.json: its sizes do not fit together".to_owned());
        }
        Ok(config)
    }

    /// How many tokens there are places for.
    pub(super) fn positions(&self) -> usize {
        self.max_position_embeddings
    }
}

struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    joined: Linear,
    joined_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    norm: LayerNorm,
}

/// The weights of a model.
pub(super) struct Bert {
    words: Embedding,
    positions: Tensor,
    /// The vector of the first sentence of a pair: there is one sentence.
    kind: Tensor,
    norm: LayerNorm,
    layers: Vec<Layer>,
    heads: usize,
    hidden: usize,
}

impl Bert {
    /// From the bytes of `model.safetensors`.
    pub(super) fn of_safetensors(config: &Config, bytes: Vec<u8>) -> Result<Self> {
        Self::new(config, &VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)?)
    }

    /// From `pytorch_model.bin`, of which tensors are read and nothing is run.
    pub(super) fn of_torch(config: &Config, path: &Path) -> Result<Self> {
        Self::new(config, &VarBuilder::from_pth(path, DType::F32, &Device::Cpu)?)
    }

    fn new(config: &Config, weights: &VarBuilder<'_>) -> Result<Self> {
        const WORDS: &str = "embeddings.word_embeddings.weight";
        // Files that were saved with a task's head have the encoder below a name of its own.
        let weights = if weights.contains_tensor(WORDS) { weights.clone() } else { weights.pp("bert") };
        let (hidden, eps) = (config.hidden_size, config.layer_norm_eps);
        let first = weights.pp("embeddings");
        let kinds = first.pp("token_type_embeddings").get((config.type_vocab_size, hidden), "weight")?;
        let layers = (0..config.num_hidden_layers).map(|at| -> Result<Layer> {
            let of = weights.pp(format!("encoder.layer.{at}"));
            let (attention, wide) = (of.pp("attention"), config.intermediate_size);
            let own = attention.pp("self");
            Ok(Layer {
                query: linear(hidden, hidden, own.pp("query"))?,
                key: linear(hidden, hidden, own.pp("key"))?,
                value: linear(hidden, hidden, own.pp("value"))?,
                joined: linear(hidden, hidden, attention.pp("output.dense"))?,
                joined_norm: layer_norm(hidden, eps, attention.pp("output.LayerNorm"))?,
                wide: linear(hidden, wide, of.pp("intermediate.dense"))?,
                narrow: linear(wide, hidden, of.pp("output.dense"))?,
                norm: layer_norm(hidden, eps, of.pp("output.LayerNorm"))?,
            })
        });
        Ok(Self {
            words: embedding(config.vocab_size, hidden, first.pp("word_embeddings"))?,
            positions: first.pp("position_embeddings").get((config.max_position_embeddings, hidden), "weight")?,
            kind: kinds.narrow(0, 0, 1)?,
            norm: layer_norm(hidden, eps, first.pp("LayerNorm"))?,
            layers: layers.collect::<Result<_>>()?,
            heads: config.num_attention_heads,
            hidden,
        })
    }

    /// How many numbers a vector has.
    pub(super) fn dimensions(&self) -> usize {
        self.hidden
    }

    /// The sum of what the encoder makes of each of `tokens`, of which there are no more than places. Errors: a token that the model
    /// has not.
    pub(super) fn summed(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let count = tokens.len();
        let words = self.words.forward(&Tensor::new(tokens, &Device::Cpu)?)?;
        let placed = (words + self.positions.narrow(0, 0, count)?)?.broadcast_add(&self.kind)?;
        let mut state = self.norm.forward(&placed)?;
        for layer in &self.layers {
            let met = self.attended(layer, &state, count)?;
            state = layer.joined_norm.forward(&(layer.joined.forward(&met)? + &state)?)?;
            let wide = layer.wide.forward(&state)?.gelu_erf()?;
            state = layer.norm.forward(&(layer.narrow.forward(&wide)? + &state)?)?;
        }
        state.sum(0)?.to_vec1()
    }

    /// What each token takes from the others.
    fn attended(&self, layer: &Layer, state: &Tensor, count: usize) -> Result<Tensor> {
        let size = self.hidden / self.heads;
        let split = |made: Tensor| made.reshape((count, self.heads, size))?.transpose(0, 1)?.contiguous();
        let query = split(layer.query.forward(state)?)?;
        let key = split(layer.key.forward(state)?)?;
        let value = split(layer.value.forward(state)?)?;
        #[expect(clippy::cast_precision_loss, reason = "a size far below the numbers that an f64 has each of")]
        let scale = 1.0 / (size as f64).sqrt();
        let weights = (query.matmul(&key.transpose(1, 2)?.contiguous()?)? * scale)?;
        let met = ops::softmax_last_dim(&weights)?.matmul(&value)?;
        met.transpose(0, 1)?.contiguous()?.reshape((count, self.hidden))
    }
}
