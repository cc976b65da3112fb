locals {
  name = "alice"
}

module "person" {
  source   = "./person"
  for_each = toset(["alice", "bob"])
  name     = each.key
}

resource "aws_iam_user_login_profile" "alice" {
  user = module.person[local.name].user
}

resource "aws_iam_access_key" "alice" {
  user = module.person["alice"].user
}
