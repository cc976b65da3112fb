module "person" {
  source   = "./person"
  for_each = toset(["alice", "bob"])
  name     = each.key
}

resource "aws_iam_user_login_profile" "alice" {
  user = module.person["alice"].user
}

resource "aws_iam_access_key" "robot" {
  user = module.person["alice"].robot
}
