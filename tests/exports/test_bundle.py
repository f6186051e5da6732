import pytest

from mnist_gan.exports.bundle import bundle_modules

MODULES = {
    "main": 'import { one,\n  two } from "./low.js";\nimport { three } from "./mid.js";\nshow(one + two() + three);\n',
    "mid": 'import { one } from "./low.js";\nconst hidden = one;\nexport const three = hidden + 2;\n',
    "low": "export const one = 1;\nexport async function two() {}\nexport class Three {}\nconst hidden = 5;\n",
    "unused": "export const other = 1;\n",
}


def test_bundle_orders_modules_by_their_imports_and_leaves_out_unused_ones():
    script = bundle_modules(MODULES, entry="main")
    assert script.index("module_low") < script.index("module_mid") < script.index("module_main")
    assert "unused" not in script
    assert "import " not in script
    assert "export " not in script
    assert "return { one, two, Three };" in script
    assert "const { one,\n  two } = module_low;" in script


@pytest.mark.parametrize("line", ['import all from "./low.js";', "export default 5;", 'export * from "./low.js";'])
def test_bundle_refuses_other_forms(line):
    with pytest.raises(ValueError, match=r"main\.js has an import or export"):
        bundle_modules({**MODULES, "main": f"{line}\n"}, entry="main")
