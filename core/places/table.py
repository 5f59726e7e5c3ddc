"""table: PyTorch's modules that programs import from, and which module has their names here."""

from __future__ import annotations

#: Files of PyTorch's packages, by package; their names are those of the package.
_IN = {
    ("nn.modules", "nn"): (
        "activation adaptive batchnorm channelshuffle container conv distance dropout flatten fold "
        "instancenorm linear loss module normalization padding pixelshuffle pooling rnn sparse "
        "transformer upsampling"
    ),
    ("amp", "amp"): "autocast_mode grad_scaler",
    ("cuda.amp", "cuda.amp"): "autocast_mode grad_scaler",
    ("distributed", "distributed"): "constants distributed_c10d",
    ("nn.parallel", "nn.parallel"): (
        "data_parallel distributed parallel_apply replicate scatter_gather"
    ),
    ("nn.utils", "nn.utils"): (
        "clip_grad convert_parameters spectral_norm weight_norm parametrizations"
    ),
    ("optim", "optim"): (
        "adadelta adagrad adam adamax adamw asgd lbfgs nadam optimizer radam rmsprop rprop sgd"
    ),
    ("utils.data", "utils.data"): "_utils _utils.collate dataloader dataset distributed sampler",
    ("distributions", "distributions"): (
        "bernoulli beta binomial categorical cauchy chi2 continuous_bernoulli dirichlet "
        "distribution exp_family exponential fishersnedecor gamma generalized_pareto geometric "
        "gumbel half_cauchy half_normal "
        "independent inverse_gamma kl kumaraswamy laplace lkj_cholesky log_normal logistic_normal "
        "lowrank_multivariate_normal mixture_same_family multinomial multivariate_normal "
        "negative_binomial normal one_hot_categorical pareto poisson relaxed_bernoulli "
        "relaxed_categorical studentT transformed_distribution transforms uniform von_mises "
        "weibull wishart"
    ),
    ("autograd", "autograd"): "anomaly_mode function gradcheck variable",
}

FILES = {
    f"{place}.{name}": f"anadrome.{package}"
    for (place, package), names in _IN.items()
    for name in names.split()
}
FILES["functional"] = "anadrome"

#: Modules whose package has a function of that name, and keeps it when the module is imported.
HIDDEN = {"_higher_order_ops.associative_scan", "multiprocessing.spawn"}

#: Modules that are only places, and the module with their names.
MODULES = {
    "_C": "anadrome.places.private",
    "_C._functorch": "anadrome.places.functorch_levels",
    "_functorch": "anadrome.places.functorch",
    "_functorch.vmap": "anadrome.places.functorch_levels",
    "__future__": "anadrome.nn.modules.converting",
    "_custom_ops": "anadrome.places.library",
    "__config__": "anadrome.places.build",
    "_utils": "anadrome.places.flattening",
    "_dynamo": "anadrome.places.compiler",
    "_higher_order_ops": "anadrome.places.scans",
    "_higher_order_ops.associative_scan": "anadrome.places.scans",
    "_dynamo._trace_wrapped_higher_order_op": "anadrome.places.compiler",
    "_dynamo.eval_frame": "anadrome.places.compiler",
    "_dynamo.config": "anadrome.places.compiler_settings",
    "_dynamo.utils": "anadrome.places.compiler",
    "_inductor": "anadrome.places.compiler",
    "_inductor.config": "anadrome.places.compiler_settings",
    "_tensor": "anadrome.places.rebuilding",
    "_tensor_str": "anadrome.printing",
    **dict.fromkeys(
        ("backends.mkl", "backends.mkldnn", "backends.openmp", "backends.opt_einsum"),
        "anadrome.backends.libraries",
    ),
    "compiler": "anadrome.places.compiler",
    "ao": "anadrome.places.quantization",
    "ao.nn": "anadrome.places.quantization",
    "ao.quantization": "anadrome.places.quantization",
    **dict.fromkeys(("_subclasses", "_subclasses.fake_tensor"), "anadrome.places.fx"),
    "futures": "anadrome.places.futures",
    "hub": "anadrome.places.hub",
    "jit": "anadrome.places.jit",
    "jit.annotations": "anadrome.places.annotations",
    "library": "anadrome.places.library",
    "mps": "anadrome.places.absent",
    "mtia": "anadrome.places.absent",
    "multiprocessing": "anadrome.places.multiprocessing",
    "multiprocessing.spawn": "anadrome.places.multiprocessing",
    **dict.fromkeys(
        (
            "nn.utils._named_member_accessor",
            "utils._contextlib",
            "utils.data._utils.worker",
            "utils.weak",
        ),
        "anadrome.places.helpers",
    ),
    "nn._reduction": "anadrome.places.reductions",
    "nn.common_types": "anadrome.places.types",
    **dict.fromkeys(
        ("onnx", "onnx.operators", "onnx.symbolic_helper", "onnx.symbolic_opset11"),
        "anadrome.places.onnx",
    ),
    "overrides": "anadrome.places.overrides",
    "distributed.autograd": "anadrome.places.rpc",
    "distributed.rpc": "anadrome.places.rpc",
    "quantization": "anadrome.places.quantization",
    "utils._python_dispatch": "anadrome.places.dispatching",
    "return_types": "anadrome.returned",
    "torch_version": "anadrome.version",
    "types": "anadrome.places.types",
    "utils._foreach_utils": "anadrome.foreach",
    "utils._pytree": "anadrome.places.trees",
    "utils.collect_env": "anadrome.places.environment",
    "utils.cpp_extension": "anadrome.places.extensions",
    "utils.hooks": "anadrome.graph",
    "utils.model_zoo": "anadrome.places.hub",
    "utils.throughput_benchmark": "anadrome.places.throughput",
    "utils.tensorboard.writer": "anadrome.utils.tensorboard",
    "xpu": "anadrome.places.absent",
    **dict.fromkeys(
        (
            "distributed._composable",
            "distributed._composable.fsdp",
            "distributed._functional_collectives",
            "distributed._tensor",
            "distributed._tensor.experimental",
            "distributed.algorithms",
            "distributed.algorithms._checkpoint",
            "distributed.algorithms._checkpoint.checkpoint_wrapper",
            "distributed.algorithms.ddp_comm_hooks",
            "distributed.algorithms.ddp_comm_hooks.default_hooks",
            "distributed.algorithms.ddp_comm_hooks.post_localSGD_hook",
            "distributed.algorithms.ddp_comm_hooks.powerSGD_hook",
            "distributed.algorithms.join",
            "distributed.algorithms.model_averaging",
            "distributed.algorithms.model_averaging.averagers",
            "distributed.device_mesh",
            "distributed.fsdp.sharded_grad_scaler",
            "distributed.optim",
            "distributed.optim.zero_redundancy_optimizer",
            "distributed.tensor",
            "distributed.tensor._utils",
            "distributed.tensor.device_mesh",
            "distributed.tensor.experimental",
            "distributed.tensor.parallel",
            "distributed.tensor.placement_types",
        ),
        "anadrome.places.sharding",
    ),
}
