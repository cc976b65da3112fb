variable "person" {
  type = object({ user = string })
}

module "key" {
  source = "./key"
  user   = var.person.user
}
