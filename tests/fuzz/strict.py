"""strict: what anadrome refuses and PyTorch takes, and why."""

from __future__ import annotations

from .explained import Reason

_CLASS = (
    r"^((nn|distributions|optim|amp|cuda|profiler|utils\.data)\.(\w+\.)*|(?=GradScaler))"
    r"([A-Z]\w*|profile|schedule|get_\w+_fn|custom_bwd)$"
)

#: What anadrome refuses and PyTorch takes.
STRICT = (
    Reason("an operator in place takes its operand alone", r"takes 2 positional", r"__i\w+__$"),
    Reason(
        "gradients of no Tensor, which PyTorch drops in silence",
        r"got \d+ tensors and \d+ gradients",
        r"autograd\.(backward|grad)$",
    ),
    Reason(
        "a number of rows is an integer; PyTorch looks only where there are more than so many",
        r"chunk_size. should be greater than 0, not \d*\.|chunk_size is an integer",
    ),
    Reason(
        "a place of a sparse Tensor is one for each of its values",
        r"ShapeError: stack",
        r"sparse_cs[rc]_tensor$",
    ),
    Reason(
        "what stands before a file's name is looked at: there is no file of no name",
        r"No such file or directory: ''",
        r"from_file$",
    ),
    Reason("sequences differ in their length only", r"ShapeError: stack", r"pack_sequence$"),
    Reason("what stands for a compiler's values is a name only", r"there is no compiler of graphs"),
    Reason(
        "a module, transform, distribution or optimizer checks its arguments when it is made",
        r"expected \w+ to be a single integer|\w+ is an int( or \d of them)?, not|"
        r"\w+ is a Tensor or a number, not|takes a distribution, not|it takes no \w+ there|"
        r"num_layers should be|Trying to create tensor with negative dimension|"
        r"must be greater than 0, but got|batch_sizes must be a Tensor|"
        r"(growth|backoff) factor must be|"
        r"expected a dtype such as|a shape is made of|no backend serves|"
        r"Number of steps must be less than|normal_\(\) is not implemented for|"
        r"_cpu. not implemented for .Complex|^TypeError: Size\(\) takes an iterable|"
        r"^TypeError: only integer tensors of a single element|"
        r"there is no 0$|^IndexError: invalid index of a 0-dim",
        rf"{_CLASS}|^Generator$",
    ),
    Reason(
        "the same, where Python meets the argument: what is no sequence, no integer, no number",
        r"'[\w.]+' object is not (iterable|subscriptable)|index out of range$|"
        r"cannot be interpreted as an integer|"
        r"cannot be converted to (an index|Scalar)|iteration over a 0-d|slice indices must be|"
        r"(float|int)\(\) argument must be|not supported between instances of|"
        r"unsupported operand type|has no len|could not convert|did not contain a loop|"
        r"Boolean value of Tensor with|must be Tensor or Number, not dtype|"
        r"truth value of an array with",
        rf"{_CLASS}|autocast$",
    ),
    Reason("a device is a name or a number", r"device\(\) takes a name", rf"{_CLASS}|^Generator$"),
    Reason(
        "NumPy has a largest size",
        r"array is too big|ndmin must be|must be within \[0, 64\]|"
        r"Maximum allowed dimension|too large|maximum supported dimension",
    ),
    Reason(
        "a transform of a function takes a function, and says so when it is called",
        r"(take|takes) a function|takes nothing, or as a decorator|"
        r"policy_fn_or_list must be either a function",
    ),
    Reason(
        "a setting of the program takes True and False, 0 and 1, and no other word",
        r"argument '(mode|check_nan)' must be bool",
    ),
    Reason(
        "a hook is a function, which is looked at when it is registered", r"a hook is a function"
    ),
    Reason(
        "no silent detach: a Tensor that requires a gradient is not exported",
        r"Can't export tensors that require",
    ),
    Reason(
        "NumPy does not export what cannot be written, nor bfloat16",
        r"Cannot export readonly|DLPack only supports",
    ),
    Reason(
        "NumPy marks all views of an expanded array as not to be written",
        r"written-to tensor refers to a single memory location",
    ),
    Reason("a view, where the twin in PyTorch is none", r"Can't detach views"),
    Reason(
        "a leaf that requires a gradient is not overwritten, nor an out= that does",
        r"a leaf Variable that requires grad|functions with out=\.\.\. arguments don't support",
    ),
    Reason(
        "a sparse Tensor's places are looked at",
        r"1D vector as repeat|diff expects input",
        r"sparse_\w+_tensor",
    ),
    Reason("a dual is a Tensor", r"takes a Tensor", r"unpack_dual"),
    Reason("no derivative, which PyTorch says in backward", r"derivative for", r"geqrf"),
    Reason("a target is a Tensor", r"argument 'target' .*must be Tensor", r"soft_margin_loss$"),
    Reason("a setting by name, also where it is not used", r"determinism_check should be one of"),
    Reason("sizes whose product is beyond 64 bits", r"strides is incompatible", r"", r"\d{17}"),
    Reason("so many terms do not end", r"takes as many steps, at most", r"polynomial_\w+$"),
    Reason("so many rounds do not end", r"(niter|n_power_iterations) is at most"),
    Reason("a number of rounds is not negative", r"niter must be a non-negative", r"svd_lowrank$"),
    Reason("an edge has two fields", r"GradientEdge.__new__"),
    Reason("a level that PyTorch's earlier call left open", r"no level is open"),
    Reason("an autograd.Function is not made, but applied", r"Function\(\) takes no arguments"),
    Reason(
        "PyTorch's answer in half precision is not the function's value", r"Low precision dtypes"
    ),
    Reason(
        "of nothing; PyTorch looks at no type, index or shape then",
        r"dtype must be a floating point|must be defined in evaluation mode|"
        r"Expected a floating point or complex|non-zero size for non-batch|batches of square|"
        r"of no integers|is out of bounds for dimension|not implemented for|"
        r"Dimension out of range|indices should be Long|has no dimensions|same dtype, but got|"
        r"iinfo\(\) takes an integer dtype|at least 2 dimensions, not the shape|"
        r"number of sizes provided|requires square matrices|weight type .* should be the same|"
        r"a dimension of \d+ is made here",
        r"",
        r"<\w+ \((\d+, )*0[,)]",
    ),
    Reason("of NaN or infinity LAPACK's answer is undefined", r"non-finite values|converge"),
    Reason(
        "there is no GPU here, or no such one",
        r"needs CuPy|Expected a cuda device|device\(\) takes",
        r"cuda|accelerator|^(Stream|Event)$",
    ),
    Reason(
        "there is no complex type of half precision",
        r"Expected both inputs to be Half|view_as_complex is only supported",
    ),
    Reason("PyTorch cuts a factor's fraction beside integers", r"beside integers, the fa"),
    Reason("sizes that differ, of which PyTorch warns and broadcasts", r"Using a target size"),
    Reason(
        "True, False or None for what old programs say with them",
        r"'(size_average|reduce)' must be bool",
    ),
    Reason("a file holds Tensors and plain values, never pickled objects", r"; files hold"),
    Reason(
        "PyTorch reads outside of the memory, or warns that it will refuse",
        r"is out of bounds|at most the length|label_smoothing must be|"
        r"Feature dropout requires at least",
    ),
    Reason("what is printed how is chosen by name", r"there is no|unhashable", "set_printoptions"),
    Reason(
        "PyTorch's older and undocumented signatures",
        r"positional argument|argument 'mat1'|Variable data has to be",
        r"^(Tensor\.)?(__r?add__|__r?sub__|add|sub|subtract|addmm|addmv|baddbmm|addbmm|addr|addc\w+)_?$|"
        r"Variable$|RemovableHandle$",
    ),
    Reason(
        "what is no integer is not cut to one",
        r"converted to an index|greater than 0, not (0\.|Fraction)",
        r"split|jacrev",
    ),
    Reason(
        "complex numbers are not cut to real ones",
        r"not 'complex'|expected an int, but got (tensor|\()",
        r"__(float|int)__|manual_seed",
    ),
    Reason("out= is a Tensor", r"'out' must be Tensor"),
    Reason(
        "PyTorch takes a Tensor of one number for a number there", r"got anadrome\.tensor\.Tensor"
    ),
    Reason("a switch is no Tensor of several values", r"more than one value is", r"dlpack"),
    Reason("a matrix has two dimensions; PyTorch warns", r"only supported on matrices"),
    Reason(
        "arguments that PyTorch does not document",
        r"keyword argument '(scale|input_scale|out)'",
        r"^(nn\.functional\.)?\w+$",
    ),
    Reason("dropout scales what it keeps, which integers cannot hold", r"dropout scales"),
    Reason(
        "complex numbers are not left out, whatever p is", r'"dropout_cpu" not implemented for .Com'
    ),
    Reason(
        "what a loss compares has as many dimensions in each of its forms",
        r"same dimension but got",
    ),
    Reason(
        "PyTorch reads outside of the memory, where a size is beyond 64 bits",
        r"Given input with spatial size .*calculated shape",
        r"unfold$",
        r"\d{10}",
    ),
    Reason(
        "PyTorch makes a Tensor of a negative size, which nothing can be done with",
        r"strides is incompatible with shape",
        r"as_strided_?$",
        r"-\d{19}",
    ),
    Reason("PyTorch's class in C++ takes devices by place", r"Future.__init__\(\) takes"),
    Reason("of one value there is no variance", r"Expected more than 1 value"),
    Reason("points and values have as many dimensions", r"size of tensor a", r"trapezoid"),
    Reason("indices to split at are int64", r"tensor_indices_or_sections"),
    Reason("integers that the type does not hold", r"without overflow|cannot make a Tensor of"),
    Reason("a class that is padding must be one of them", r"Padding_idx must be"),
    Reason(
        "of one complex number, of which PyTorch says only among others that there is no order",
        r"_cpu. not implemented for .Complex",
        r"cumm(in|ax)$",
        r"<complex\d+ \(\)",
    ),
    Reason("a kernel that there is none of", r"'logaddexp' not supported", r"logcumsumexp"),
    Reason("out= of a type that cannot hold the result", r"can't be cast to the desired output"),
    Reason("complex numbers are not cut to real ones", r"not 'complex'", r"randint"),
    Reason(
        "a complex number is no real one, also without imaginary part",
        r"not 'complex'",
        r"nan_to_num_?$",
    ),
    Reason("a reduction has three numbers; others are none in PyTorch", r"reduction is 0 \(none\)"),
    Reason("a setting by name", r"matmul precision must be"),
    Reason("a switch of what is written in place", r"'inplace' must be bool"),
    Reason("an argument twice", r"multiple values for argument 'other'"),
    Reason("a shape is one", r"'NoneType' object is not iterable", r"broadcast_shapes"),
    Reason("pivots of another matrix", r"list index out of range", r"lu_unpack"),
    Reason(
        "a number of frequencies is not negative", r"inconsistent with step sign|of values is not"
    ),
    Reason(
        "in place a Tensor keeps its shape; PyTorch's addbmm_ alone makes it larger, and so writes "
        "over what lies behind a view",
        r"doesn't match the broadcast shape",
        r"addbmm_$",
    ),
    Reason("classes are integers; PyTorch cuts fractions", r"targets must be integers", "ctc_loss"),
    Reason("a bias is a vector", r"size of tensor a", r"linear$"),
    Reason("a window of one value has a type too", r"_window expects floating", "", r"window\(1,"),
    Reason("complex parameters, which PyTorch looks at in the step", r"Muon takes real", "Muon"),
    Reason("a decay that is no number", r"Invalid decay value (nan|tensor\(\[*nan)"),
    Reason(
        "of nothing there is no largest number, which PyTorch says but for out=",
        r"Expected reduction dim to be specified",
        r"^(Tensor\.)?(max|min)$",
        r"<\w+ \((\d+, )*0[,)].*out=",
    ),
    Reason(
        "a size for each dimension; PyTorch leaves those behind them out",
        r"expected (stride|padding) to be a single integer value or a list of \d values",
        r"max_unpool\dd$",
    ),
    Reason(
        "PyTorch's result is what memory held, of no rows",
        r"expected scalar type Long but found",
        r"multi(label)?_margin_loss$",
        r"<\w+ \((\d+, )*0[,)]",
    ),
    Reason(
        "PyTorch takes a class for an object of it, for it has __torch_function__",
        r"",
        r"",
        r"<class 'anadrome.tensor.Tensor'>",
    ),
    Reason(
        "the functions of a loader and of a profile are looked at when it is made",
        r"DataLoader: \w+ must be a function|profile\(\): on_trace_ready is a function",
    ),
    Reason("bounds that cross", r"min_val cannot be greater"),
    Reason(
        "a check of gradients in less than double precision finds nothing but rounding",
        r"gradcheck needs float64",
    ),
    Reason("PyTorch takes an object with __index__ in a list", r"'Index'|\[\d, Index\(\)\]"),
    Reason(
        "a device or schedule that there is none of",
        r"unsupported autocast device|Invalid prof|"
        r"Device string",
    ),
    Reason("memory is that of a Tensor", r"UntypedStorage"),
    Reason(
        "a number for a dtype, an old form of PyTorch's",
        r"not a (float|int|complex|bool)",
        r"\.to$|type$",
    ),
    Reason(
        "older constructors take sizes or one sequence",
        r"new\(\)|expected a Tensor of",
        r"Tensor$",
    ),
    Reason("the norm of all gradients is one number", r"total norm is a Tensor of no"),
    Reason(
        "one sequence of another shape than the others",
        r"stack expects each",
        "(pack|pad)_sequence",
    ),
    Reason(
        "PyTorch looks at it when it is used, not before",
        r"must be Tensor or Number, not dtype|ambiguous|must be bool|Coefficients|foreach",
        r"autocast|optim\.",
    ),
)
