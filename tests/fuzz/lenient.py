"""lenient: what PyTorch refuses and anadrome takes, and why."""

from __future__ import annotations

from .explained import Reason

_SWITCHES = (
    r"(keepdim|unbiased|stable|descending|density|requires_grad|sorted|return_\w+|right|periodic|"
    r"onesided|center|normalized|pin_memory|largest|upper|zero_infinity|hermitian|out_int32|"
    r"assume_unique|check_invariants|is_coalesced|include_last_offset|ceil_mode|log_target|full_matrices|accumulate|copy)"
)

#: What PyTorch refuses and anadrome takes.
LENIENT = (
    Reason(
        "a sparse Tensor is a dense one here",
        r"sparse (coordinate |row compressed |column compressed )?tensor layout|aten::sparse_mask|"
        r"dense_dim|select\(\): index|"
        r"on sparse tensors",
    ),
    Reason(
        "a path may be bytes",
        r"expected 'f' to be string",
        r"",
        r"b'",
    ),
    Reason(
        "a level is left open by another call",
        r"Nested forward mode AD",
    ),
    # arguments of another kind
    Reason(
        "what is true in Python switches on; settings of the program alone take no other word",
        r"expects a bool, but got|convert to C long|must be bool, not|must be a bool|"
        r"must be bool or None|"
        r"object cannot be interpreted as an integer|"
        rf"[( ]{_SWITCHES}=(?!bool)\w+|Boolean value of Tensor|"
        r"only integer tensors of a single element",
    ),
    Reason(
        "the same, given by place",
        r"(bartlett|blackman|hann|hamming|kaiser)_window\(\) received .*got "
        r"\((int|bool|Tensor), \w+|"
        r"upsample_\w+\(\) received .*got \(Tensor, \w+, [\w.]+, |"
        r"(nan)?quantile\(\) received .*got \((Tensor, )?\w+, (\w+|dim=\w+), |"
        r"stft\(\) received .*got \(Tensor, int, \w+, \w+, (Tensor|NoneType), |"
        r"ctc_loss\(\) received .*int, int, \w+\)|"
        r"(sort|topk|argsort|unique|isin|index_put_?)\(\) received|"
        r"(var|std)(_mean)?\(\) received .*got \((Tensor, )?(\w+, )*(int|float|str|tuple|Tensor)",
    ),
    Reason(
        "names that PyTorch takes in a longer signature only",
        r"(hamming|kaiser)_window\(\) received .*got \(int, (alpha|beta)=",
    ),
    Reason(
        "a list of numbers is a Tensor of them",
        r"(quantile|bucketize|searchsorted|isin)\(\) received .*got \((Tensor, )?(list|tuple)",
    ),
    Reason(
        "NumPy's numbers and arrays stand for Tensors",
        r"must be Tensor, not numpy|got \((\w+, )*numpy\.|not numpy\.|'numpy\.\w+' object|"
        r"but got (numpy\.|<class 'numpy)|0-d array|=numpy\.",
    ),
    Reason(
        "a number stands for a Tensor without dimensions",
        r"must be Tensor, not (int|float|bool|complex)|to transform API must be Tensor|"
        r"'(int|float|complex|bool)' object has no attribute|any\(\) received an invalid|"
        r"(clamp|clip)_?\(\) received an invalid combination|x=(int|float)|got \(bool\)|"
        r"got \((float|int|bool|complex), Tensor",
    ),
    Reason(
        "a Tensor of one number stands for the number; if it requires a gradient it is refused",
        r"must be (Number|float|int|Number or None|tuple of ints), not Tensor|alpha=Tensor|"
        r"(dim|fill_value)=Tensor|"
        r"high must be a scalar|r?tol=Tensor|only support dx as a real|"
        r"got \(Tensor\), but expected|"
        r"element of type Tensor|value=Tensor|scalar\.isIntegral|fill_value=Tensor|"
        r"\((self|other|exponent|Tensor), Tensor\)|len\(\) of a 0-d",
    ),
    Reason(
        "an object with __index__ is an integer, and so is True",
        r"shape' to be int or sequence|expects an int, but got (Tensor|bool)|"
        r"must be int, not (Index|bool|numpy\.\w+)|(dim|[ar]tol)=(bool|Index)|"
        r"element of type bool|"
        r"must be tuple of ints, not (bool|Index|numpy)|got \(Tensor, (bool|Index)\)|"
        r"'Index' object is not iterable|must be (Number|float), not Index|got \(Index\)|"
        r"'int' and 'Index'",
    ),
    Reason(
        "a Tensor of numbers is a tuple of them",
        r"(tensor_split|[hvd]split)\(\) received .*got \((Tensor, )?(indices=)?Tensor|"
        r"move(dim|axis)\(\) received .*got \((Tensor, )?(Tensor, (int|Tensor)|int, Tensor)\)",
    ),
    Reason(
        "a number stands for a Tensor of one",
        r"got \(Tensor, (Tensor, int|float, Tensor|int, Tensor), int, int\)",
        r"fake_quantize_per_tensor_affine$",
    ),
    Reason(
        "an axis may be counted from the end, and a zero point be of any type of integers",
        r"`axis` must be between 0|Zero-point must be Int32",
        r"fake_quantize_per_channel_affine$",
    ),
    Reason(
        "a list or a range stands for a tuple, and one number for a tuple of one",
        r"element 0 in argument 0, but got list|must be tuple of ints, not (int|range|generator)|"
        r"given inputs has type <class 'list'>|(dim|sections)=(tuple|range|list)|Tensor, range|"
        r"must be int, not (tuple|list)|not enough values to unpack|"
        r"'(list|tuple)' object has no attribute 'device'|tol=(tuple|list)|"
        r"received an invalid combination of arguments - got \((Tensor, )?(list|tuple)|"
        r"must be tuple of Tensors, not",
    ),
    Reason(
        "a number that PyTorch's own integers and floats do not hold; of float Tensors only",
        r"int too big to convert|negative int to unsigned|Overflow when unpacking|"
        r"without overflow|only concrete integers|cannot be represented as a SymInt|"
        r"can't be represented|byte integer is",
    ),
    Reason(
        "Python's fractions and decimals are numbers",
        r"(not |\(|=|, )((fractions|decimal)\.)?(Fraction|Decimal)\b|instances of Number|"
        r"'(decimal|fractions)\.\w+' object",
    ),
    Reason(
        "True is 1 beside numbers", r"`-` operator, (with|on) a bool", r"", r"\b(True|False|bool)\b"
    ),
    Reason(
        "a gradient may be a number",
        r"'(bool|int|float)' object is not iterable",
        r"autograd\.(grad|backward)$",
    ),
    Reason("Python's types are element types", r"invalid type: '(int|float|bool)'"),
    # other names and places of arguments
    Reason(
        "one function serves as method and function, with out= and names of both, and of nn's twin",
        r"takes no keyword arguments|unexpected keyword argument '(out|inplace|shape|split_size"
        r"|split_size_or_sections|return_indices|function|a|b|pin_memory|dtype|input|other)'|"
        r"unrecognized keyword arguments: out|out=\w+|"
        r"missing 1 required positional arguments: .(size|dims?|mean|stable).$|"
        r"(as_tensor|selu|tile|no_grad\.__init__|threshold|scaled_dot_product_attention|round)\(\) "
        r"takes .* but|"
        r"got multiple values for argument 'input'|got \((low|a|b)=|got \((Tensor|"
        r"Tensor, Tensor), device=",
    ),
    Reason(
        "normal() has a mean and a standard deviation by default, and takes them both ways",
        r"normal\(\) received an invalid",
        r"^normal$",
    ),
    Reason("an operator takes out= as its function does", r"^$", r"__\w+__$", r"out="),
    Reason("NumPy's numbers and arrays stand for Tensors", r"^$", r"__\w+__$", r"array\(|np\."),
    Reason("NumPy's numbers and arrays stand for Tensors", r"can't be cast", r"", r"np\."),
    Reason("the default is the better form", r"only supported when use_reentrant=False"),
    Reason(
        "an argument of ours, beside PyTorch's",
        r"Unexpected keyword arguments: memory_budget$|"
        r"unexpected keyword argument '(verbose|warn_after|values|native|names|model|enabled)'",
    ),
    Reason(
        "without a size, the size of a number; a lone number is a size",
        r"arguments - got \((\w+=[\w.]+, )*\)|arguments - got \((int|float), size|argument 'size'",
        r"(^|\.)(new_)?(ones|zeros|empty|rand|randn|full|normal)$",
    ),
    Reason(
        "an argument that says nothing there: a switch that is off, None",
        r"(keepdim|dim|device)=(bool|NoneType)|got \((Tensor, )?(NoneType|keepdim=bool)|"
        r"unexpected keyword argument 'other'|must be [\w.]+, not NoneType|"
        r"tuple of ints,but got NoneType|"
        r"None is not a valid value for compute_mode|got an? None|value=NoneType",
    ),
    Reason(
        "PyTorch's older constructors and signatures, of which ours are wider",
        r"can't be volatile|Legacy tensor new of|new\(\) received|new\(\): data must|"
        r"Legacy tensor constructor|converted to a scalar index|"
        r"only one element tensors",
        r"Tensor(\.new)?$|Variable$",
    ),
    Reason(
        "a factor before a Tensor, as in PyTorch's older signature",
        r"add(r|mv_?)\(\) takes",
        r"add(r|mv_?)$",
    ),
    # kernels, checks and machines of theirs
    Reason(
        "PyTorch has no kernel for the element type",
        r"Integer division with addcdiv|not implemented for '\w+'|is not implemented for|"
        r"is not supported for complex|"
        r"not yet implemented for|does not support automatic differentiation for outputs with "
        r"complex|could not infer output dtype|unsupported ScalarType|"
        r"requires a floating point input type|"
        r"following scalar types|Unsupported dtype|without narrowing|long, int, byte or bool|"
        r"requires dtype Double|Expected out tensor to have dtype|"
        r"expected type of|same dtype, but (found|got)|must have the same dtype|"
        r"(Expected .* to|tensors? should) have the same dtype|"
        r"all be instances of Number|Please use torch\.sgn|expected dtype \w+ for|"
        r"result dtype \w+ does not match|expected scalar type \w+ but found|"
        r"Found dtype \w+ but expected \w+$",
    ),
    Reason(
        "PyTorch has no derivative there",
        r"is not differentiable with respect to argument|does not require grad|derivative for",
    ),
    Reason(
        "of nothing, where PyTorch's check or library stumbles",
        r"MKL FFT error|`shifts` required|tensor with optional 0 dim batch|non-empty TensorList|"
        r"cannot reshape tensor of 0|positive length|dimension size of|stride 1$|"
        r"the infinity norm on an empty|norm on an empty|Cannot pack empty|non-empty|"
        r"broadcast shape \[1|tensor has no dimensions|"
        r"upper bound and lower bound inconsistent|"
        r"last dimension with stride|nested_tensorlist|N must be greater than 1",
    ),
    Reason(
        "of nothing, which has no memory to be looked at otherwise",
        r"self\.stride\(-1\) must be 1",
        r"Tensor\.view$",
        r"<\w+ \((\d+, )*0[,)]",
    ),
    Reason(
        "without running statistics there is no step of momentum",
        r"argument 'momentum' .*must be float",
        r"batch_norm$",
        r"batch_norm\(<[^>]*>, None, None",
    ),
    Reason(
        "PyTorch wants memory in one piece, or its own to be resized",
        r"view size is not compatible|not resizable|single memory location|Cannot set|"
        r"Can't detach views",
    ),
    Reason(
        "the machine has no GPU, and PyTorch was built without CUDA",
        r"accelerator|not compiled with CUDA|no attribute '_cuda|'torch.cpu' has no attribute|"
        r"allocated_bytes|requires CUDA|"
        r"Expected a cuda device|dummy base class _cuda",
    ),
    Reason(
        "names of devices are open (a plugin may serve them), and looked up when used",
        r"Expected one of cpu, cuda|must not include an index|'device' must be|device string",
    ),
    Reason(
        "a class of PyTorch's that is not made, or not called so",
        r"Can't instantiate abstract class|cannot create '|takes no arguments|OpOverload|"
        r"incompatible constructor arguments|"
        r"Expected a sequence type|TypedStorage",
    ),
    Reason(
        "a check of PyTorch's that has no cause here",
        r"set number of interop threads|Coefficients|batch_first|"
        r"of distribution (Chi2|Gamma\(concentration: 0\.0)|"
        r"Dimension out of range .* \[-0|Input shapes should be of type|weight` to be a scalar",
    ),
    Reason(
        "of nothing, where no argument is looked at",
        r"must be (Number|float|int|bool), not|put_\(\): Expected a long tensor for index",
        r"",
        r"<\w+ \((\d+, )*0[,)]",
    ),
    Reason(
        "a Tensor in the place of dim is the other Tensor, or the dimensions",
        r"got \((dim=Tensor|Tensor, Tensor, Tensor)",
    ),
    Reason(
        "the place of an argument", r"values for argument 'out'|'out' must be Tensor, not", r"norm$"
    ),
    Reason("a number is a Tensor of one", r"got \(Tensor, int\)", r"trapz|trapezoid"),
    Reason("a number is a gradient", r"'(int|float)' object is not iterable", r"autograd\."),
    Reason("a device names a device", r"must be str, not torch.device", r"device$"),
    Reason(
        "the level of a warning that is not given",
        r"convert to C ssize_t|converted to a scalar index|interpreted as an integer",
        r"(soft(max|min)|log_softmax)$",
    ),
    Reason(
        "sizes of that many numbers are made when a value is drawn",
        r"possible overflow|Storage size calculation|can't allocate memory|as a SymInt",
        r"LKJCholesky$",
    ),
    Reason(
        "a Tensor of one number stands for the number, in a module as in its function",
        r"iteration over a 0-d",
        r"^nn\.\w*(Pad|Conv|Pool|Norm|Fold|Unfold)\w*$",
    ),
    Reason(
        "an argument by place that PyTorch takes by name alone",
        r"round\(\) received an invalid .*got \(Tensor, int\)",
    ),
    Reason("a list of one number is the number", r"must be Tensor, not list", r"lp_pool1d$"),
    Reason(
        "a list of one number is the number, as in conv2d",
        r"must either be a single Int or tuple|is expected \w+ equals to \d, but got size 1",
    ),
    Reason("nothing is an empty sequence", r"must be tuple of ints, not dict", r"", r"\{\}"),
    Reason("a weight of more dimensions", r"match the broadcast shape", r"binary_cross_entropy"),
    Reason("of NaN there is NaN", r"not positive-definite", r"cholesky$"),
    Reason("a singular matrix has its LU factors", r"U\[\d+,\d+\] is zero"),
    Reason("PyTorch's own failure", r"larger than max_size|INTERNAL ASSERT|split_size=-1"),
    Reason(
        "of levels there is one, so it is not looked at", r"and 'int'|argument 'level' must be int"
    ),
    Reason("PyTorch's class in C++ asks for devices, its own subclass does not", r"_C\.Future\("),
    Reason(
        "a module is made of what its function would refuse", r"iteration over a 0-d", "MaxUnpool"
    ),
    Reason("PyTorch's check in three dimensions is one too strict", r"pool time \d+ too large"),
    Reason("an operator takes its operand by name", r"positional-only arguments", r"__\w+__$"),
    Reason("a list of numbers is a Tensor of them", r"in argument 1, but got int", r"histogramdd"),
    Reason("a Tensor of probabilities by name", r"got \(p=Tensor, \)", r"bernoulli$"),
    Reason("a list of Tensors of one shape is one Tensor", r"only one element tensors", "asarray"),
    Reason("NumPy's arrays stand for Tensors", r"Can't call numpy\(\)", r"", r"array\("),
    Reason("nothing is compiled, whatever it is", r"cannot set '__call__'", r"^compile$"),
    Reason("PyTorch needs more memory than there is", r"can't allocate memory"),
    Reason(
        "of a type without gradients none is asked for",
        r"^RuntimeError: Only Tensors of floating point and complex dtype",
        r"asarray$",
    ),
    Reason("by place, what PyTorch takes by name", r"RemovableHandle\.__init__\(\) takes"),
    Reason("in place, where nothing is written", r"a leaf Variable that requires grad"),
    Reason("a view sees all of the memory of its base", r"setStorage", r"as_strided"),
    Reason("of NaN or infinity LAPACK's answer is undefined", r"failed to converge"),
    Reason(
        "the function of a user, given to one library alone",
        r"loaded backend|'>' not supported between",
    ),
)
