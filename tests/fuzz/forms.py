"""forms: of what objects the fuzz makes are made: arguments by name, and values of each kind."""

from __future__ import annotations

#: What stands for a number, mostly good ones.
INTS = ("1", "2", "3", "4", "0", "-1", "True", "2.0", "None", "(2,)", "(1, 2)", "'2'", "2**40")
REALS = (
    "0.0",
    "0.1",
    "0.5",
    "1.0",
    "1",
    "-0.5",
    "2",
    "1e-8",
    "float('nan')",
    "float('inf')",
    "None",
    "True",
    "'a'",
    "(0.9, 0.99)",
    "torch.tensor(0.5)",
    "1e30",
    "0",
)
FLAGS = ("True", "False", "None", "0", "1", "'no'", "2.5")
SIZES = ("1", "2", "3", "(2, 2)", "(1, 2)", "(2,)", "[2, 1]", "0", "-1", "(1, 1, 1)", "1.5", "None")
WORDS = (
    "'zeros'",
    "'reflect'",
    "'same'",
    "'valid'",
    "'mean'",
    "'sum'",
    "'none'",
    "'nearest'",
    "'bilinear'",
    "'tanh'",
    "'relu'",
    "'x'",
    "None",
    "1",
)

#: Modules: what they are made of, and shapes of inputs that fit some.
MODULES = {
    "Linear": ("in_features=3 out_features=i bias=f", "2,3 3 0,3 2,2,3"),
    "Bilinear": ("in1_features=3 in2_features=3 out_features=i bias=f", "2,3"),
    "Conv1d": (
        (
            "in_channels=2 out_channels=i kernel_size=s stride=s padding=s dilation=s "
            "groups=i bias=f padding_mode=w"
        ),
        "1,2,6 2,6 0,2,6",
    ),
    "Conv2d": (
        (
            "in_channels=2 out_channels=i kernel_size=s stride=s padding=s dilation=s "
            "groups=i bias=f padding_mode=w"
        ),
        "1,2,5,5 2,5,5 0,2,5,5 1,2,0,5",
    ),
    "ConvTranspose2d": (
        (
            "in_channels=2 out_channels=i kernel_size=s stride=s padding=s output_padding=s "
            "groups=i dilation=s"
        ),
        "1,2,4,4 2,4,4",
    ),
    "MaxPool2d": (
        "kernel_size=s stride=s padding=s dilation=s ceil_mode=f return_indices=f",
        "1,2,5,5 2,5,5 1,0,5,5",
    ),
    "AvgPool1d": ("kernel_size=s stride=s padding=s ceil_mode=f count_include_pad=f", "1,2,6 2,6"),
    "AvgPool2d": (
        ("kernel_size=s stride=s padding=s ceil_mode=f count_include_pad=f divisor_override=i"),
        "1,2,5,5 2,5,5",
    ),
    "LPPool1d": ("norm_type=r kernel_size=s stride=s ceil_mode=f", "1,2,6 2,6"),
    "AdaptiveAvgPool2d": ("output_size=s", "1,2,5,5 2,5,5 1,2,0,5"),
    "AdaptiveMaxPool1d": ("output_size=s return_indices=f", "1,2,5 2,5"),
    "BatchNorm1d": (
        "num_features=2 eps=r momentum=r affine=f track_running_stats=f",
        "4,2 4,2,3 1,2 0,2",
    ),
    "InstanceNorm2d": (
        "num_features=2 eps=r momentum=r affine=f track_running_stats=f",
        "1,2,3,3 2,3,3 1,3,3,3",
    ),
    "LayerNorm": ("normalized_shape=s eps=r elementwise_affine=f bias=f", "2,2 3,1,2 2 0,2"),
    "RMSNorm": ("normalized_shape=s eps=r elementwise_affine=f", "2,2 3,1,2 2"),
    "GroupNorm": ("num_groups=i num_channels=2 eps=r affine=f", "1,2,3 2,2 1,2,3,3"),
    "LocalResponseNorm": ("size=i alpha=r beta=r k=r", "1,2,3 1,4,3,3"),
    "Embedding": (
        (
            "num_embeddings=4 embedding_dim=i padding_idx=i max_norm=r norm_type=r "
            "scale_grad_by_freq=f"
        ),
        "i2,3 i2 i0 i",
    ),
    "EmbeddingBag": (
        ("num_embeddings=4 embedding_dim=i max_norm=r mode=w padding_idx=i include_last_offset=f"),
        "i2,3 i3",
    ),
    "Dropout": ("p=0.0 inplace=f", "2,3"),
    "Softmax": ("dim=i", "2,3 3"),
    "Softmin": ("dim=i", "2,3"),
    "LogSoftmax": ("dim=i", "2,3"),
    "GLU": ("dim=i", "2,4 3,2"),
    "ELU": ("alpha=r inplace=f", "2,3"),
    "CELU": ("alpha=r inplace=f", "2,3"),
    "Hardtanh": ("min_val=r max_val=r inplace=f", "2,3"),
    "LeakyReLU": ("negative_slope=r inplace=f", "2,3"),
    "PReLU": ("num_parameters=i init=r", "2,3 3"),
    "Softplus": ("beta=r threshold=r", "2,3"),
    "Softshrink": ("lambd=r", "2,3"),
    "Hardshrink": ("lambd=r", "2,3"),
    "Threshold": ("threshold=r value=r inplace=f", "2,3"),
    "GELU": ("approximate=w", "2,3"),
    "Flatten": ("start_dim=i end_dim=i", "2,3 2,3,4 3 "),
    "Unflatten": ("dim=i unflattened_size=s", "2,4 4"),
    "Fold": ("output_size=s kernel_size=s dilation=s padding=s stride=s", "1,4,4 4,4"),
    "Unfold": ("kernel_size=s dilation=s padding=s stride=s", "1,2,4,4 2,4,4"),
    "PixelShuffle": ("upscale_factor=i", "1,4,2,2 4,2,2"),
    "PixelUnshuffle": ("downscale_factor=i", "1,1,4,4 2,4,4"),
    "ChannelShuffle": ("groups=i", "1,4,2 1,4,2,2"),
    "ZeroPad2d": ("padding=s", "1,2,3,3"),
    "ReflectionPad1d": ("padding=s", "1,2,4 2,4"),
    "ReplicationPad2d": ("padding=s", "1,2,3,3"),
    "CircularPad1d": ("padding=s", "1,2,4"),
    "ConstantPad1d": ("padding=s value=r", "1,2,4"),
    "Upsample": ("size=s scale_factor=r mode=w align_corners=f", "1,2,4 1,2,3,3"),
    "CosineSimilarity": ("dim=i eps=r", "2,3"),
    "RNN": (
        (
            "input_size=3 hidden_size=i num_layers=i nonlinearity=w bias=f batch_first=f "
            "dropout=0.0 bidirectional=f"
        ),
        "2,1,3 2,3 0,1,3",
    ),
    "LSTM": (
        (
            "input_size=3 hidden_size=i num_layers=i bias=f batch_first=f bidirectional=f "
            "proj_size=i"
        ),
        "2,1,3 2,3",
    ),
    "GRU": (
        "input_size=3 hidden_size=i num_layers=i bias=f batch_first=f bidirectional=f",
        "2,1,3",
    ),
    "GRUCell": ("input_size=3 hidden_size=i bias=f", "2,3 3"),
    "MultiheadAttention": (
        "embed_dim=4 num_heads=i dropout=0.0 bias=f add_zero_attn=f batch_first=f",
        "t2,1,4 t2,4",
    ),
    "TransformerEncoderLayer": (
        (
            "d_model=4 nhead=i dim_feedforward=i dropout=0.0 activation=w batch_first=f "
            "norm_first=f bias=f layer_norm_eps=r"
        ),
        "2,1,4 2,4",
    ),
}
LOSSES = {
    "MSELoss": "reduction=w",
    "L1Loss": "reduction=w size_average=f reduce=f",
    "SmoothL1Loss": "reduction=w beta=r",
    "HuberLoss": "reduction=w delta=r",
    "BCEWithLogitsLoss": "reduction=w",
    "KLDivLoss": "reduction=w log_target=f",
    "PoissonNLLLoss": "log_input=f full=f eps=r reduction=w",
    "SoftMarginLoss": "reduction=w",
    "HingeEmbeddingLoss": "margin=r reduction=w",
    "MultiLabelSoftMarginLoss": "reduction=w",
}
OPTIMIZERS = {
    "SGD": "lr=r momentum=r dampening=r weight_decay=r nesterov=f maximize=f",
    "Adam": "lr=r betas=b eps=r weight_decay=r amsgrad=f maximize=f",
    "AdamW": "lr=r betas=b eps=r weight_decay=r amsgrad=f",
    "NAdam": "lr=r betas=b eps=r weight_decay=r momentum_decay=r decoupled_weight_decay=f",
    "RAdam": "lr=r betas=b eps=r weight_decay=r",
    "Adamax": "lr=r betas=b eps=r weight_decay=r",
    "Adagrad": "lr=r lr_decay=r weight_decay=r initial_accumulator_value=r eps=r",
    "Adadelta": "lr=r rho=r eps=r weight_decay=r",
    "RMSprop": "lr=r alpha=r eps=r weight_decay=r momentum=r centered=f",
    "Rprop": "lr=r etas=b step_sizes=b",
    "ASGD": "lr=r lambd=r alpha=r t0=r weight_decay=r",
    "Adafactor": "lr=r beta2_decay=r eps=b d=r weight_decay=r",
    "LBFGS": "lr=r max_iter=i max_eval=i tolerance_grad=r tolerance_change=r history_size=i",
}
SCHEDULERS = {
    "StepLR": "step_size=i gamma=r last_epoch=i",
    "MultiStepLR": "milestones=m gamma=r",
    "ConstantLR": "factor=r total_iters=i",
    "LinearLR": "start_factor=r end_factor=r total_iters=i",
    "ExponentialLR": "gamma=r",
    "CosineAnnealingLR": "T_max=i eta_min=r",
    "PolynomialLR": "total_iters=i power=r",
    "CosineAnnealingWarmRestarts": "T_0=i T_mult=i eta_min=r",
    "CyclicLR": (
        "base_lr=r max_lr=r step_size_up=i step_size_down=i mode=w gamma=r cycle_momentum=False"
    ),
    "OneCycleLR": (
        "max_lr=r total_steps=i epochs=i steps_per_epoch=i pct_start=r "
        "anneal_strategy=w div_factor=r cycle_momentum=False"
    ),
    "ReduceLROnPlateau": "mode=w factor=r patience=i threshold=r cooldown=i min_lr=r eps=r",
    "LambdaLR": "lr_lambda=l",
    "MultiplicativeLR": "lr_lambda=l",
}
DISTRIBUTIONS = {
    "Normal": "loc=v scale=v",
    "Gamma": "concentration=v rate=v",
    "Beta": "concentration1=v concentration0=v",
    "Bernoulli": "probs=v logits=n",
    "Categorical": "probs=v logits=n",
    "Poisson": "rate=v",
    "Exponential": "rate=v",
    "Uniform": "low=v high=v",
    "Laplace": "loc=v scale=v",
    "Cauchy": "loc=v scale=v",
    "StudentT": "df=v loc=v scale=v",
    "Gumbel": "loc=v scale=v",
    "Weibull": "scale=v concentration=v",
    "Pareto": "scale=v alpha=v",
    "Geometric": "probs=v",
    "Binomial": "total_count=v probs=v",
    "NegativeBinomial": "total_count=v probs=v",
    "Dirichlet": "concentration=v",
    "MultivariateNormal": "loc=v covariance_matrix=q",
    "HalfNormal": "scale=v",
    "LogNormal": "loc=v scale=v",
    "VonMises": "loc=v concentration=v",
    "Chi2": "df=v",
    "FisherSnedecor": "df1=v df2=v",
    "Kumaraswamy": "concentration1=v concentration0=v",
    "Multinomial": "total_count=i probs=v",
    "OneHotCategorical": "probs=v",
    "InverseGamma": "concentration=v rate=v",
    "ContinuousBernoulli": "probs=v",
    "HalfCauchy": "scale=v",
}
VALUES = {
    "i": INTS,
    "r": REALS,
    "f": FLAGS,
    "s": SIZES,
    "w": WORDS,
    "b": ("(0.9, 0.99)", "(0.5, 1.2)", "(0.0, 0.0)", "(0.9,)", "0.9", "(0.9, 1.0)", "[0.5, 2]"),
    "m": ("[1, 2]", "[2, 1]", "[]", "3", "(1,)", "['a']", "[0]", "[1.5]", "None"),
    "l": ("lambda e: 0.9 ** e", "lambda e: None", "[lambda e: 1 / (e + 1)]", "[]", "3"),
    "v": (
        "torch.tensor([0.3, 0.7])",
        "torch.tensor(0.5)",
        "0.4",
        "1",
        "torch.tensor([[0.2], [0.8]])",
        "torch.tensor([0.5, -1.0])",
        "torch.tensor([0.4, 0.6], dtype=torch.float64)",
        "torch.zeros(0)",
        "torch.tensor([1, 2])",
        "2.0",
        "torch.tensor([0.5, float('nan')])",
        "torch.tensor([0.3, 0.7]).half()",
        "None",
        "'a'",
        "torch.tensor([0.5j, 1])",
    ),
    "n": ("None", "torch.tensor([0.1, -0.2])"),
    "q": ("torch.eye(2)", "torch.eye(3)", "torch.ones(2, 2)", "torch.eye(2, dtype=torch.float64)"),
}
FUNCTIONS = (
    "lambda x: (x ** 2).sum()",
    "lambda x: x.sin()",
    "lambda x: x * 2",
    "lambda x: (x, x + 1)",
    "lambda x: x.sum(0)",
    "lambda x: {'a': x.cos()}",
    "lambda x: 3.0",
    "lambda x: x @ x",
    "lambda x, y: (x * y).sum()",
    "lambda x, y: x + y",
)
INPUTS = (
    "torch.arange(3.0)",
    "torch.ones(2, 3)",
    "torch.tensor(1.5)",
    "torch.ones(0, 2)",
    "torch.arange(3)",
    "torch.ones(2, 3).t()",
    "torch.tensor([1 + 1j, 2])",
    "None",
    "[1.0]",
    "torch.ones(3, dtype=torch.float64)",
)
