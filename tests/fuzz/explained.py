"""explained: calls that one library takes and the other refuses, and why that is as it should be.

A reason is for a kind of call: by the words of the library that refuses (so that another refusal is
not covered), and, where those say too little, by the function's name and by what was given. What no
reason covers is a finding.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Reason(NamedTuple):
    """``words``, ``names``, ``given``: searched in the refusal, the dotted name and the call."""

    why: str
    words: str = ""
    names: str = ""
    given: str = ""

    def covers(self, name: str, words: str, given: str) -> bool:
        """Whether a call is of this kind."""
        return bool(
            re.search(self.words, words)
            and re.search(self.names, name)
            and re.search(self.given, given)
        )


_SWITCHES = (
    r"(keepdim|unbiased|stable|descending|density|requires_grad|sorted|return_\w+|right|periodic|"
    r"onesided|center|normalized|pin_memory|largest|upper|zero_infinity|hermitian|out_int32|"
    r"assume_unique|check_invariants|is_coalesced|include_last_offset|ceil_mode|log_target|full_matrices|accumulate|copy)"
)
_CLASS = (
    r"^((nn|distributions|optim|amp|cuda|profiler)\.(\w+\.)*|(?=GradScaler))"
    r"([A-Z]\w*|profile|schedule|get_\w+_fn|custom_bwd)$"
)

#: What PyTorch refuses and anadrome takes.
LENIENT = (
    Reason(
        "a sparse Tensor is a dense one here",
        r"sparse (coordinate )?tensor layout|aten::sparse_mask|dense_dim|select\(\): index|"
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
        r"expects a bool, but got|convert to C long|must be bool, not|must be bool or None|"
        r"object cannot be interpreted as an integer|"
        rf"[( ]{_SWITCHES}=\w+|Boolean value of Tensor|only integer tensors of a single element",
    ),
    Reason(
        "the same, given by place",
        r"received an invalid combination of arguments",
        r"window$|stft$|sort$|var$|std$|var_mean$|std_mean$|interpolate$|upsample|ctc_loss$|"
        r"unique$|"
        r"topk$|argsort$|quantile$|searchsorted$|bucketize$|isin$|index_put_?$",
    ),
    Reason(
        "NumPy's numbers and arrays stand for Tensors",
        r"must be Tensor, not numpy|got \((\w+, )*numpy\.|not numpy\.|'numpy\.\w+' object|"
        r"but got numpy\.|0-d array|=numpy\.",
    ),
    Reason(
        "a number stands for a Tensor without dimensions",
        r"must be Tensor, not (int|float|bool|complex)|to transform API must be Tensor|"
        r"'(int|float|complex)' object has no attribute|any\(\) received an invalid|"
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
        r"\((self|other|exponent|Tensor), Tensor\)",
    ),
    Reason(
        "an object with __index__ is an integer, and so is True",
        r"shape' to be int or sequence|expects an int, but got Tensor|must be int, not (Index|"
        r"bool|numpy\.\w+)|dim=(bool|Index)|"
        r"element of type bool|"
        r"must be tuple of ints, not (bool|Index|numpy)|got \(Tensor, (bool|Index)\)",
    ),
    Reason(
        "a list or a range stands for a tuple, and one number for a tuple of one",
        r"element 0 in argument 0, but got list|must be tuple of ints, not (int|range|generator)|"
        r"given inputs has type <class 'list'>|(dim|sections)=(tuple|range|list)|Tensor, range|"
        r"must be int, not (tuple|list)|not enough values to unpack|"
        r"'(list|tuple)' object has no attribute 'device'|tol=(tuple|list)|"
        r"received an invalid combination of arguments - got \((Tensor, )?(list|tuple)|"
        r"must be tuple of Tensors, not|tuple of ints, but found",
    ),
    Reason(
        "a number that PyTorch's own integers and floats do not hold; of float Tensors only",
        r"int too big to convert|negative int to unsigned|Overflow when unpacking|"
        r"without overflow|only concrete integers|cannot be represented as a SymInt|"
        r"can't be represented|byte integer is",
    ),
    Reason(
        "Python's fractions and decimals are numbers",
        r"(not |\(|=|, )(Fraction|Decimal)\b|instances of Number",
    ),
    Reason(
        "True is 1 beside numbers", r"`-` operator, (with|on) a bool", r"", r"\b(True|False|bool)\b"
    ),
    Reason("Python's types are element types", r"invalid type: '(int|float|bool)'"),
    # other names and places of arguments
    Reason(
        "one function serves as method and function, with out= and names of both, and of nn's twin",
        r"takes no keyword arguments|unexpected keyword argument '(out|inplace|shape|split_size"
        r"|split_size_or_sections|return_indices|function|a|b|pin_memory|dtype|input|other)'|"
        r"unrecognized keyword arguments: out|out=\w+|missing 1 required positional arguments|"
        r"takes (from )?\d+( to \d+)? positional arguments? but|"
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
        r"unexpected keyword argument '(verbose|warn_after|values|native|names|model|enabled)'",
    ),
    Reason(
        "without a size, the size of a number; a lone number is a size",
        r"arguments - got \(\)|arguments - got \((int|float), size|argument 'size'",
        r"(^|\.)(new_)?(ones|zeros|empty|rand|randn|full|normal)$",
    ),
    Reason(
        "an argument that says nothing there: a switch that is off, None",
        r"(keepdim|dim|device)=(bool|NoneType)|got \((Tensor, )?(NoneType|keepdim=bool)|"
        r"unexpected keyword argument 'other'|must be \w+, not NoneType|"
        r"tuple of ints,but got NoneType|"
        r"None is not a valid value for compute_mode|got an? None|value=NoneType",
    ),
    Reason(
        "PyTorch's older constructors and signatures, of which ours are wider",
        r"can't be volatile|new\(\) received|new\(\): data must|Legacy tensor constructor|"
        r"only one element tensors",
        r"Tensor(\.new)?$|Variable$",
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
        r"expected type of|same dtype, but found|must have the same dtype|"
        r"(Expected .* to|tensors? should) have the same dtype|"
        r"all be instances of Number",
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
        "PyTorch wants memory in one piece, or its own to be resized",
        r"view size is not compatible|not resizable|single memory location|Cannot set|"
        r"Can't detach views",
    ),
    Reason(
        "the machine has no GPU, and PyTorch was built without CUDA",
        r"accelerator|not compiled with CUDA|no attribute '_cuda|allocated_bytes|requires CUDA|"
        r"Expected a cuda device|dummy base class _cuda",
    ),
    Reason(
        "names of devices are open (a plugin may serve them), and looked up when used",
        r"Expected one of cpu, cuda|must not include an index|'device' must be|device string",
    ),
    Reason(
        "a class of PyTorch's that is not made, or not called so",
        r"Can't instantiate abstract class|cannot create '|takes no arguments|OpOverload|"
        r"Expected a sequence type|TypedStorage",
    ),
    Reason(
        "a check of PyTorch's that has no cause here",
        r"set number of interop threads|Coefficients|of distribution Chi2|batch_first|"
        r"Dimension out of range .* \[-0|Input shapes should be of type|weight` to be a scalar",
    ),
    Reason(
        "of nothing, where no argument is looked at",
        r"must be (Number|float|int|bool), not",
        r"",
        r"<\w+ \((\d+, )*0[,)]",
    ),
    Reason(
        "a Tensor in the place of dim is the other Tensor, or the dimensions",
        r"got \((dim=Tensor|Tensor, Tensor, Tensor)",
    ),
    Reason("the place of an argument", r"got multiple values for argument 'out'", r"norm$"),
    Reason("a number is a Tensor of one", r"got \(Tensor, int\)", r"trapz|trapezoid"),
    Reason("a number is a gradient", r"'(int|float)' object is not iterable", r"autograd\."),
    Reason("a device names a device", r"must be str, not torch.device", r"device$"),
    Reason("nothing is an empty sequence", r"must be tuple of ints, not dict", r"", r"\{\}"),
    Reason("a weight of more dimensions", r"match the broadcast shape", r"binary_cross_entropy"),
    Reason("of NaN there is NaN", r"not positive-definite", r"cholesky$"),
    Reason("a singular matrix has its LU factors", r"U\[\d+,\d+\] is zero"),
    Reason("PyTorch's own failure", r"larger than max_size|INTERNAL ASSERT|split_size=-1"),
    Reason("of levels there is one, so it is not looked at", r"and 'int'", r"unpack_dual"),
    Reason("in place, where nothing is written", r"a leaf Variable that requires grad"),
    Reason("a view sees all of the memory of its base", r"setStorage", r"as_strided"),
    Reason("of NaN or infinity LAPACK's answer is undefined", r"failed to converge"),
    Reason(
        "the function of a user, given to one library alone",
        r"loaded backend|'>' not supported between",
    ),
)

#: What anadrome refuses and PyTorch takes.
STRICT = (
    Reason(
        "a module, transform, distribution or optimizer checks its arguments when it is made",
        r"expected \w+ to be a single integer|is not iterable|cannot be converted to an index|"
        r"converted to (an? )?(scalar )?(index|Scalar)|it takes no|iteration over a 0-d|"
        r"num_layers should be|is a function, not|"
        r"negative dimension|is an int|is a Tensor or a number|a shape is made of|must be|should|"
        r"expected a dtype|device\(\) takes|no backend serves|unsupported operand|a module runs|"
        r"has no len|takes integers|not supported between|no value is ambiguous|than one value is|"
        r"could not convert|float\(\) argument|int\(\) argument|Invalid|invalid|dtype|takes|"
        r"cannot be|not implemented",
        rf"{_CLASS}|autocast$|^Generator$",
    ),
    Reason(
        "NumPy has a largest size",
        r"array is too big|Maximum allowed dimension|too large|maximum supported dimension",
    ),
    Reason(
        "a transform of a function takes a function, and says so when it is called",
        r"(take|takes) a function|takes nothing, or as a decorator",
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
    Reason("a sparse Tensor's places are looked at", r"1D vector as repeat", r"sparse_\w+_tensor"),
    Reason("a dual is a Tensor", r"takes a Tensor", r"unpack_dual"),
    Reason("no derivative, which PyTorch says in backward", r"derivative for", r"geqrf"),
    Reason("so many rounds do not end", r"(niter|n_power_iterations) is at most"),
    Reason("an edge has two fields", r"GradientEdge.__new__"),
    Reason("a level that PyTorch's earlier call left open", r"no level is open"),
    Reason("an autograd.Function is not made, but applied", r"Function\(\) takes no arguments"),
    Reason(
        "PyTorch's answer in half precision is not the function's value", r"Low precision dtypes"
    ),
    Reason("of nothing; PyTorch looks at no type then", r"", r"", r"<\w+ \((\d+, )*0[,)]"),
    Reason("of NaN or infinity LAPACK's answer is undefined", r"non-finite values|converge"),
    Reason(
        "there is no GPU here, or no such one",
        r"needs CuPy|Expected a cuda device|device\(\) takes",
        r"cuda|accelerator",
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
        r"positional argument|argument 'mat1'",
        r"^(Tensor\.)?(__r?add__|__r?sub__|add|sub|addmm|addmv|baddbmm|addbmm|addr|addc\w+)_?$|"
        r"Variable$|RemovableHandle$",
    ),
    Reason(
        "what is no integer is not cut to one",
        r"converted to an index|greater than 0, not 0\.",
        r"split|jacrev",
    ),
    Reason("complex numbers are not cut to real ones", r"not 'complex'", r"__float__|manual_seed"),
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
    Reason("of one value there is no variance", r"Expected more than 1 value"),
    Reason("points and values have as many dimensions", r"size of tensor a", r"trapezoid"),
    Reason("indices to split at are int64", r"tensor_indices_or_sections"),
    Reason("integers that the type does not hold", r"without overflow|cannot make a Tensor of"),
    Reason("a class that is padding must be one of them", r"Padding_idx must be"),
    Reason("a kernel that there is none of", r"'logaddexp' not supported", r"logcumsumexp"),
    Reason("out= of a type that cannot hold the result", r"can't be cast to the desired output"),
    Reason("complex numbers are not cut to real ones", r"not 'complex'", r"randint"),
    Reason("a setting by name", r"matmul precision must be"),
    Reason("a switch of what is written in place", r"'inplace' must be bool"),
    Reason("an argument twice", r"multiple values for argument 'other'"),
    Reason("a shape is one", r"'NoneType' object is not iterable", r"broadcast_shapes"),
    Reason("pivots of another matrix", r"list index out of range", r"lu_unpack"),
    Reason("a number of frequencies is not negative", r"inconsistent with step sign"),
    Reason("a bias is a vector", r"size of tensor a", r"linear$"),
    Reason("bounds that cross", r"min_val cannot be greater"),
    Reason(
        "a check of gradients in less than double precision finds nothing but rounding",
        r"gradcheck needs float64",
    ),
    Reason("PyTorch takes an object with __index__ in a list", r"'Index'"),
    Reason(
        "a device or schedule that there is none of",
        r"unsupported autocast device|Invalid prof|"
        r"Device string",
    ),
    Reason("memory is that of a Tensor", r"UntypedStorage"),
    Reason("a number for a dtype, an old form of PyTorch's", r"not a (float|int)", r"\.to$|type$"),
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


def reason(table: tuple[Reason, ...], name: str, words: str, given: str) -> Reason | None:
    """The first reason that covers a call."""
    return next((r for r in table if r.covers(name, words, given)), None)
