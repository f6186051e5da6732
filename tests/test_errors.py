import pytest

from mnist_gan import errors


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (errors.ConfigError, 2),
        (errors.DataError, 3),
        (errors.ArtifactError, 4),
        (errors.DivergenceError, 5),
        (errors.StorageError, 74),
        (errors.RunBusyError, 74),
    ],
)
def test_error_has_its_documented_exit_code(error: type[errors.MnistGanError], exit_code: int) -> None:
    assert error.exit_code == exit_code


def test_every_error_is_a_mnist_gan_error() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    assert len(classes) == 9
    assert all(issubclass(each, errors.MnistGanError) for each in classes)


def test_config_error_is_a_value_error() -> None:
    assert issubclass(errors.ConfigError, ValueError)
