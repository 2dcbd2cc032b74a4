// One reader a family: from the fields of a config.json to the list of layers.
//
// Each fills config.layers and what only its family has; the first thing that is wrong stays in
// fields.status(). What all families share (vocabulary, hidden size, ...) is read before.
#pragma once

#include "policy/model/config.h"
#include "policy/model/families/fields.h"

namespace temper::model {

// M, *, -, E: Mamba-2, attention without positions, squared-ReLU MLP, mixture of experts.
void ReadNemotronH(Fields& fields, ModelConfig& config);

// Blocks of attention with rotary positions and a gated MLP; config.family tells which of the
// three.
void ReadTransformer(Fields& fields, ModelConfig& config);

// nemotron-nas (DeciLM): llama blocks whose parts block_configs resizes, replaces or leaves out.
void ReadNemotronNas(Fields& fields, ModelConfig& config);

// Angles per token of rotary positions: theta^(-2j/head_dim), scaled as rope_scaling says
// (none, linear, llama3). Source: transformers' modeling_rope_utils, arXiv 2407.21783.
std::vector<float> ReadInverseFrequency(Fields& fields, int64_t head_dim);

// Attention and MLP of one llama-like block, from the whole model's fields.
LayerConfig ReadRotaryAttention(Fields& fields, const ModelConfig& config);
void CheckGatedMlp(Fields& fields);

}  // namespace temper::model
