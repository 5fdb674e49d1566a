"""Show what a package exports, also where a function has the name of its module, as `init.dominated` has."""

import griffe


class PublicNames(griffe.Extension):
    """Put functions in the place of modules of the same name, as the import in the package does."""

    def on_package(self, *, pkg: griffe.Module, loader: griffe.GriffeLoader, **_: object) -> None:
        loader.resolve_aliases(implicit=True)  # while modules can still be found by their names
        packages = [pkg]
        for package in packages:
            for name, module in list(package.modules.items()):
                if module.is_init_module:
                    packages.append(module)
                elif name in (package.exports or ()) and name in module.members:
                    package.members[name] = griffe.Alias(name, module.members[name], parent=package)
