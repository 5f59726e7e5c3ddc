"""The modules that PyTorch programs import names from, by both ways: directly and by `run`."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import anadrome as ad
from anadrome.places import missing

#: Modules of PyTorch's, and names that programs import from them.
PATHS = {
    "_C": "DispatchKey DispatchKeySet DisableTorchFunctionSubclass _get_tracing_state "
    "_log_api_usage_once Generator Size Value device dtype memory_format",
    "_higher_order_ops.associative_scan": "associative_scan",
    "_dynamo.utils": "is_compile_supported",
    "ao.quantization": "DeQuantStub FakeQuantizeBase ObserverBase QuantStub QuantWrapper",
    "amp.autocast_mode": "autocast",
    "amp.grad_scaler": "GradScaler",
    "autograd": "Function Variable backward functional grad gradcheck graph no_grad profiler",
    "autograd.anomaly_mode": "detect_anomaly set_detect_anomaly",
    "autograd.function": "Function FunctionCtx once_differentiable",
    "autograd.functional": "hessian hvp jacobian jvp vhp vjp",
    "autograd.grad_mode": "enable_grad inference_mode no_grad set_grad_enabled",
    "autograd.variable": "Variable",
    "compiler": "allow_in_graph disable is_compiling reset set_stance",
    "cuda.amp": "GradScaler autocast custom_bwd custom_fwd",
    "cuda.amp.autocast_mode": "autocast custom_bwd custom_fwd",
    "cuda.amp.grad_scaler": "GradScaler",
    "distributed": "ReduceOp all_gather all_reduce barrier broadcast get_rank get_world_size group "
    "init_process_group is_available is_initialized new_group",
    "distributions": "Categorical Normal constraints kl kl_divergence transforms",
    "distributions.beta": "Beta",
    "distributions.categorical": "Categorical",
    "distributions.multivariate_normal": "MultivariateNormal",
    "distributions.normal": "Normal",
    "distributions.one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough",
    "distributions.relaxed_categorical": "RelaxedOneHotCategorical",
    "fft": "fft",
    "func": "functional_call jvp linearize stack_module_state vmap",
    "fx": "Graph GraphModule Node Proxy Tracer symbolic_trace wrap",
    "fx.graph_module": "_CodeOnlyModule _USER_PRESERVED_ATTRIBUTES_KEY _copy_attr",
    "fx.node": "Argument Target",
    "fx.proxy": "Proxy",
    "hub": "HASH_REGEX _get_torch_home download_url_to_file get_dir load load_state_dict_from_url "
    "set_dir urlparse",
    "jit": "Final ScriptModule export ignore is_scripting script script_method trace unused",
    "jit.annotations": "BroadcastingList2 BroadcastingList3 List",
    "library": "Library custom_op define impl register_autograd register_fake register_kernel",
    "linalg": "norm",
    "multiprocessing": "Process Queue get_context set_sharing_strategy set_start_method spawn",
    "nn.common_types": "_ratio_2_t _size_1_t _size_2_t _size_3_t _size_any_t _tensor_list_t",
    "nn.modules": "Linear Module",
    "nn.modules.activation": "GELU GLU Hardtanh MultiheadAttention PReLU ReLU ReLU6",
    "nn.modules.batchnorm": "BatchNorm2d LazyBatchNorm2d SyncBatchNorm _BatchNorm _NormBase",
    "nn.modules.channelshuffle": "ChannelShuffle",
    "nn.modules.container": "ModuleDict ModuleList ParameterDict ParameterList Sequential",
    "nn.modules.conv": "Conv2d ConvTranspose2d LazyConv2d _ConvNd _ConvTransposeNd",
    "nn.modules.distance": "CosineSimilarity PairwiseDistance",
    "nn.modules.dropout": "Dropout Dropout2d _DropoutNd",
    "nn.modules.flatten": "Flatten Unflatten",
    "nn.modules.fold": "Fold Unfold",
    "nn.modules.instancenorm": "InstanceNorm2d LazyInstanceNorm2d _InstanceNorm",
    "nn.modules.lazy": "LazyModuleMixin",
    "nn.modules.linear": "Bilinear Identity LazyLinear Linear NonDynamicallyQuantizableLinear",
    "nn.modules.loss": "CTCLoss CrossEntropyLoss KLDivLoss MSELoss _Loss _WeightedLoss",
    "nn.modules.module": "Module register_module_forward_hook",
    "nn.modules.normalization": "GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    "nn.modules.padding": "ZeroPad2d _ConstantPadNd",
    "nn.modules.pixelshuffle": "PixelShuffle PixelUnshuffle",
    "nn.modules.pooling": "AdaptiveAvgPool2d MaxPool2d _AdaptiveAvgPoolNd _AvgPoolNd _LPPoolNd "
    "_MaxPoolNd _MaxUnpoolNd",
    "nn.modules.rnn": "GRU LSTM LSTMCell RNN RNNBase RNNCellBase",
    "nn.modules.sparse": "Embedding EmbeddingBag",
    "nn.modules.transformer": "Transformer TransformerEncoder TransformerEncoderLayer",
    "nn.modules.upsampling": "Upsample UpsamplingBilinear2d",
    "nn.modules.utils": "_ntuple _pair _quadruple _reverse_repeat_tuple _single _triple "
    "consume_prefix_in_state_dict_if_present",
    "nn.parallel": "DataParallel DistributedDataParallel data_parallel gather parallel_apply "
    "replicate scatter",
    "nn.parallel.data_parallel": "DataParallel data_parallel",
    "nn.parallel.distributed": "DistributedDataParallel",
    "nn.parallel.parallel_apply": "parallel_apply",
    "nn.parallel.replicate": "replicate",
    "nn.parallel.scatter_gather": "gather scatter scatter_kwargs",
    "nn.parameter": "Buffer Parameter UninitializedBuffer UninitializedParameter is_lazy",
    "nn.utils.clip_grad": "clip_grad_norm_ clip_grad_value_",
    "nn.utils.convert_parameters": "parameters_to_vector vector_to_parameters",
    "nn.utils.rnn": "PackedSequence pack_padded_sequence pad_packed_sequence pad_sequence",
    "nn.utils.spectral_norm": "remove_spectral_norm spectral_norm",
    "nn.utils.weight_norm": "remove_weight_norm weight_norm",
    "onnx": "export register_custom_op_symbolic",
    "onnx.symbolic_helper": "parse_args",
    "optim.adadelta": "Adadelta",
    "optim.adagrad": "Adagrad",
    "optim.adam": "Adam",
    "optim.adamax": "Adamax",
    "optim.adamw": "AdamW",
    "optim.asgd": "ASGD",
    "optim.lbfgs": "LBFGS",
    "optim.lr_scheduler": "CosineAnnealingLR LRScheduler LambdaLR ReduceLROnPlateau _LRScheduler",
    "optim.nadam": "NAdam",
    "optim.optimizer": "Optimizer ParamsT _default_to_fused_or_foreach "
    "_get_capturable_supported_devices _get_scalar_dtype _get_value "
    "_to_scalar _use_grad_for_differentiable _view_as_real "
    "register_optimizer_step_post_hook register_optimizer_step_pre_hook required",
    "optim.radam": "RAdam",
    "optim.rmsprop": "RMSprop",
    "optim.rprop": "Rprop",
    "optim.sgd": "SGD",
    "optim.swa_utils": "AveragedModel SWALR update_bn",
    "overrides": "has_torch_function is_tensor_like",
    "return_types": "linalg_svd max topk",
    "serialization": "DEFAULT_PROTOCOL load save",
    "testing": "assert_close make_tensor",
    "types": "Device Number _device _dtype _size",
    "utils._pytree": "tree_flatten tree_leaves tree_map tree_map_only tree_unflatten",
    "utils.checkpoint": "checkpoint checkpoint_sequential",
    "utils.collect_env": "main",
    "utils.data": "DataLoader Dataset IterableDataset TensorDataset random_split",
    "utils.data._utils.collate": "default_collate",
    "utils.data.dataloader": "DataLoader default_collate",
    "utils.data.dataset": "Dataset Subset TensorDataset random_split",
    "utils.data.distributed": "DistributedSampler",
    "utils.data.sampler": "BatchSampler Sampler SubsetRandomSampler WeightedRandomSampler",
    "utils.dlpack": "from_dlpack to_dlpack",
    "utils.hooks": "RemovableHandle",
    "utils.model_zoo": "load_url tqdm",
}


def lines(root: str) -> list[str]:
    out = []
    for path, names in PATHS.items():
        out.append(f"import {root}.{path}")
        out.append(f"from {root}.{path} import {', '.join(names.split())}")
    return out


@pytest.mark.parametrize("root", ["anadrome", "torch"])
def test_names_are_imported_from_pytorchs_modules(root: str, tmp_path) -> None:
    """In a process of its own, where no module of the list has been imported."""
    script = tmp_path / "script.py"
    script.write_text("\n".join(lines(root)) + "\nprint('all')\n")
    command = [sys.executable, *(["-m", "anadrome", "run"] if root == "torch" else []), str(script)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "all\n", done.stderr


@pytest.mark.torch
@pytest.mark.parametrize("path", PATHS)
def test_pytorch_has_them_there(path: str) -> None:
    """The list is of real places: a name that PyTorch moved would be of no use."""
    module = importlib.import_module(f"torch.{path}")
    assert [n for n in PATHS[path].split() if not hasattr(module, n)] == []


def test_a_class_is_the_same_from_each_place() -> None:
    from anadrome.nn.modules.upsampling import Upsample
    from anadrome.nn.parallel.data_parallel import DataParallel
    from anadrome.optim.adamw import AdamW

    assert Upsample is ad.nn.Upsample
    assert DataParallel is ad.nn.DataParallel is ad.nn.parallel.DataParallel
    assert AdamW is ad.optim.AdamW


def test_a_function_and_a_module_of_one_name_are_both() -> None:
    from anadrome.nn.parallel.parallel_apply import parallel_apply
    from anadrome.nn.utils.weight_norm import remove_weight_norm

    layer = ad.nn.utils.weight_norm(ad.nn.Linear(2, 3))
    assert layer.weight_g.shape == (3, 1)
    assert not hasattr(remove_weight_norm(layer), "weight_g")
    assert ad.nn.parallel.parallel_apply([abs], [-1]) == parallel_apply([abs], [-1]) == [1]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("from anadrome.nn.quantized import Linear", "there are no quantized types"),
        ("import anadrome.distributed.pipelining", "anadrome trains in one process"),
        ("from anadrome.export import export", "there is no compiler of graphs here"),
        ("from anadrome._six import string_classes", "PyTorch itself has removed it"),
    ],
)
def test_a_module_that_is_not_there_says_what_to_do(statement: str, told: str) -> None:
    with pytest.raises(ImportError, match=told):
        exec(statement)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("sparse_bsr_tensor", "tensors are dense here"),
        ("quantize_per_tensor", "there are no quantized types"),
        ("symeig", "use linalg.eigh"),
    ],
)
def test_a_name_that_is_not_there_says_what_to_do(name: str, told: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{told}"):
        getattr(ad, name)


def test_a_name_that_nobody_knows_is_missing_without_advice() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'$"):
        ad.nonsense  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'anadrome.nonsense'$"):
        importlib.import_module("anadrome.nonsense")


def test_what_is_absent_is_not_there() -> None:
    """Advice for a name that has come would hide it."""
    for name in missing.NAMES:
        first, _, rest = name.partition(".")
        if first == "Tensor":
            assert not hasattr(ad.Tensor, rest), name
        elif rest and "." not in rest and hasattr(ad, first):
            assert rest not in dir(getattr(ad, first)), name
        elif not rest and first != "ops":  # a module of anadrome's own
            assert first not in dir(ad), name
